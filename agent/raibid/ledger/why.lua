-- ARGV: job. The facts behind a job's place, as JSON; asks the same functions as admit.
local job = ARGV[1]
local r = record(job, 'status', 'lane', 'score', 'attempt', 'max', 'owner', 'entry', 'reason', 'repo', 'pods', 'superseded')
if not r[1] then return nil end
local s = survey()
local facts = {
  id = job, status = r[1], paused = paused(), window = window_size(), stream = s.total,
  attempt = tonumber(r[4]), max_attempts = tonumber(r[5]), owner = r[6] or '', reason = r[8] or '',
}
if r[11] and r[11] ~= '' and not TERMINAL[r[1]] then facts.superseded_by = r[11] end
local last = r[10] and r[10]:match('[^\n]+$')
if last and not TERMINAL[r[1]] then facts.ending = cjson.decode(last) end
if r[1] == 'queued' or r[1] == 'waiting' then
  local stuck = dict(redis.call('HGETALL', key.stuck))
  if next(stuck) then facts.stuck = stuck end
end
if r[1] == 'running' or r[1] == 'queued' then
  local pending = redis.call('XPENDING', key.stream, key.group, r[7], r[7], 1)
  facts.lease_idle = pending[1] and pending[1][3] / 1000 or 0
elseif r[1] == 'waiting' then
  local ahead = 0
  for _, lane in ipairs(redis.call('ZRANGE', key.lanes, 0, -1)) do
    ahead = ahead + redis.call('ZCOUNT', key.lane .. lane, '-inf', '(' .. r[3])
  end
  facts.ahead = ahead
  local kind, limit = blocked(s, r[2], 1)
  if kind then
    facts.blocked_by, facts.limit = kind, limit
    local repo, resource = split(r[2])
    local holders = {}
    for _, entry in ipairs(s.entries) do
      if entry.job and entry.lane then
        local of_repo, of_resource = split(entry.lane)
        if (kind == 'repo' and of_repo == repo) or (kind == 'resource' and of_resource == resource) then
          holders[#holders + 1] = entry.job
        end
      end
    end
    if kind == 'group' then
      local _, _, group = split(r[2])
      facts.group, holders = group, { held_by(s, group_of(r[2])) }
    end
    if #holders > 0 then facts.holders = holders end
  end
  local pace = tonumber(redis.call('HGET', key.pace, r[9]) or nil)
  if pace and not kind and not paused() and facts.window > 0 then -- blocked: nobody can say for how long
    facts.eta = math.ceil((ahead + 1) / facts.window) * pace / 1000
  end
end
return cjson.encode(facts)
