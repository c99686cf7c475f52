-- ARGV: job, by whom. Returns the status after it; a running job is told by its next beat.
local job, by = ARGV[1], ARGV[2]
local r = record(job, 'status', 'lane')
if not r[1] then return nil end
if TERMINAL[r[1]] then return r[1] end
local status = call_off(job, r[1], r[2], by ~= '' and 'cancelled by ' .. by or 'cancelled')
return status == 'running' and status or finally(status)
