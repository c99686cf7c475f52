-- ARGV: a note for people, then pod and reason in turn: all agents that cannot start. Queued jobs get the note; its
-- first appearance is a line in their log (reasons alternate: ErrImagePull, ImagePullBackOff, …, by the minute).
local note, stuck = ARGV[1], {}
for i = 2, #ARGV, 2 do stuck[ARGV[i]] = ARGV[i + 1] end
for pod in pairs(dict(redis.call('HGETALL', key.stuck))) do
  if not stuck[pod] then redis.call('HDEL', key.stuck, pod) end
end
for pod, reason in pairs(stuck) do redis.call('HSET', key.stuck, pod, reason) end
redis.call('EXPIRE', key.stuck, STUCK)

local noted = 0
for _, entry in ipairs(survey().entries) do
  local r = entry.job and record(entry.job, 'status', 'stuck', 'attempt')
  if r and r[1] == 'queued' and (r[2] or '') ~= note then
    if (r[2] or '') == '' then
      say(entry.job, r[3], 'pod', note .. '\n')
      noted = noted + 1
    end
    if (r[2] or '') == '' or note == '' then tell(entry.job) end -- that it is so and that it ended, not each word
    write(entry.job, 'stuck', note)
  end
end
return noted
