-- ARGV: dedupe keys. For each {job, status, outdated} of the job it names, or of the last retry of that; or nothing.
-- Outdated: called off for another commit of the same ref. If the ref is at this job's commit, that one came late.
local function outdated(spec, by)
  if not by or by == '' then return 0 end
  local other = record(by, 'spec')[1]
  if not other then return 0 end
  local ours, theirs = cjson.decode(spec), cjson.decode(other)
  return ours.ref == theirs.ref and ours.sha ~= theirs.sha and 1 or 0
end

local answers = {}
for i, dedupe in ipairs(ARGV) do
  answers[i] = false
  local job = redis.call('GET', key.dedupe .. dedupe)
  while job and job ~= '' do
    local r = record(job, 'status', 'spec', 'superseded', 'retried_as')
    if not r[1] then break end
    local ended_well = TERMINAL[r[1]] and r[1] ~= 'cancelled'
    answers[i] = { job, r[1], ended_well and 0 or outdated(r[2], r[3]) }
    job = r[4]
  end
end
return answers
