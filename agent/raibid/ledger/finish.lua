-- ARGV: job, token, outcome, report, reason.
local job, token, outcome = ARGV[1], ARGV[2], ARGV[3]
local r = record(job, 'status', 'token', 'owner', 'started', 'repo')
if r[2] ~= token then return 'stale' end
if r[1] == outcome then return 'ok' end -- its reply was lost
if r[1] ~= 'running' then return 'stale' end

write(job, 'report', ARGV[4])
if outcome ~= 'cancelled' then
  local took = math.max(0, time_us() - tonumber(r[4])) / 1000 -- the clock may have been set back
  local known = tonumber(redis.call('HGET', key.pace, r[5]) or nil)
  redis.call('HSET', key.pace, r[5], int(known and known * 0.7 + took * 0.3 or took))
end
local names = { success = 'succeed', failed = 'fail', cancelled = 'cancel' }
conclude(job, names[outcome], outcome, ARGV[5])
-- Deleting a consumer deletes what is pending for it: never while it has anything.
if not redis.call('XPENDING', key.stream, key.group, '-', '+', 1, r[3])[1] then
  redis.call('XGROUP', 'DELCONSUMER', key.stream, key.group, r[3])
end
return finally('ok')
