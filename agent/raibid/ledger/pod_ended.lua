-- ARGV: pod, verdict, its ending as JSON, a line for the log, report as JSON, reason, refund.
-- A pod's end is a fact about the job it claimed last; `told` makes it count once. It decides over that job while no
-- other agent has claimed it since. With one exception: a job that failed its pod was handed back before anybody could
-- know (the kubelet gives SIGTERM first), so whoever has it by then would only fail in the same way.
local pod, verdict, reason = ARGV[1], ARGV[2], ARGV[6]
local job, attempt, told, token = unpack(redis.call('HMGET', key.agent .. pod, 'job', 'attempt', 'told', 'token'))
if not job then return nil end
local r = record(job, 'status', 'owner', 'entry', 'cancel', 'lane', 'attempt', 'refunds', 'pods', 'released')
local status = r[1]
if not status then return nil end
if told ~= '' then return status end

local ending, kept = cjson.decode(ARGV[3]), {}
ending.attempt = tonumber(attempt)
for line in (r[8] or ''):gmatch('[^\n]+') do kept[#kept + 1] = line end
kept[#kept + 1] = cjson.encode(ending)
write(job, 'pods', table.concat(kept, '\n', math.max(1, #kept - PODS_KEPT + 1)))
redis.call('HSET', key.agent .. pod, 'told', '1')

if TERMINAL[status] then
  -- Archived again, its log too, if it is still here: then it must not expire before or while it is read.
  redis.call('SADD', key.unarchived, job)
  redis.call('EXPIRE', key.log .. job, RETENTION + 3600)
  return status
end
say(job, attempt, 'pod', ARGV[4])
local inherited = verdict == 'fail' and token and token == r[9] -- the last to hand it back was this pod's agent
if r[2] ~= pod and not inherited or verdict == 'none' then return status end

if status == 'running' and r[4] == '1' then
  write(job, 'token', '')
  conclude(job, 'cancel', 'cancelled', 'cancelled; ' .. reason)
  return finally('cancelled')
end
if verdict == 'fail' then
  write(job, 'token', '', 'report', ARGV[5]) -- its agent, should it live after all, and an heir are fenced off
  conclude(job, 'fail', 'failed', reason)
  if status == 'waiting' then unpark(job, r[5]) end
  return finally('failed')
end
if status ~= 'running' then -- handed back already, the attempt refunded or not
  write(job, 'reason', reason)
  return status
end

local left, refunds = tonumber(r[6]), tonumber(r[7] or 0)
if ARGV[7] == '1' and refunds < MAX_REFUNDS then
  left, refunds = left - 1, refunds + 1
  write(job, 'attempt', left, 'refunds', refunds)
end
if over(survey(), r[5]) then
  withdraw(job, r[3], reason)
  return finally('waiting')
end
write(job, 'status', 'queued', 'token', '', 'reason', reason)
tell(job)
event(job, 'release', 'running', 'queued', left)
redis.call('XCLAIM', key.stream, key.group, pod, 0, r[3], 'IDLE', 86400000, 'JUSTID') -- the lease is over now
return finally('queued')
