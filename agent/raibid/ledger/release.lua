-- ARGV: job, token, reason, refund, idle in ms. The same entry and place; the lease is over.
local job, reason = ARGV[1], ARGV[3]
local r = record(job, 'status', 'token', 'owner', 'entry', 'cancel', 'lane', 'attempt', 'refunds', 'released')
if r[9] == ARGV[2] then return r[1] end -- its reply was lost
if r[1] ~= 'running' or r[2] ~= ARGV[2] then return 'stale' end
write(job, 'released', ARGV[2])

if r[5] == '1' then
  conclude(job, 'cancel', 'cancelled', 'cancelled')
  return finally('cancelled')
end
local attempt, refunds = tonumber(r[7]), tonumber(r[8] or 0)
if ARGV[4] == '1' and refunds < MAX_REFUNDS then
  attempt, refunds = attempt - 1, refunds + 1
  write(job, 'attempt', attempt, 'refunds', refunds)
end
if over(survey(), r[6]) then
  withdraw(job, r[4], reason)
  return finally('waiting')
end
write(job, 'status', 'queued', 'token', '', 'reason', reason)
tell(job)
event(job, 'release', 'running', 'queued', attempt)
redis.call('XCLAIM', key.stream, key.group, r[3], 0, r[4], 'IDLE', ARGV[5], 'JUSTID')
return finally('queued')
