-- ARGV: job, then what its forge was shown: status, attempt, owner, reason, and how often it was retried by then.
-- 1: told for good; 0: something of it has changed meanwhile.
local job = ARGV[1]
local r = record(job, 'status', 'attempt', 'owner', 'reason', 'retries', 'stuck')
if r[6] and r[6] ~= '' then r[4] = r[6] end
local as_told = (r[2] or '0') == ARGV[3] and (r[3] or '') == ARGV[4] and (r[4] or '') == ARGV[5]
if r[1] and not (r[1] == ARGV[2] and as_told and (r[5] or '0') == ARGV[6]) then
  -- A second API may have told the newer one first: the forge now shows this one. Of a job that was retried since, the
  -- newer one was the retry's.
  while job and job ~= '' do
    tell(job)
    job = record(job, 'retried_as')[1]
  end
  return 0
end
redis.call('SREM', key.untold, job)
return 1
