-- ARGV: job, by whom. Returns the status after it; a running job is told by its next beat.
local job, by = ARGV[1], ARGV[2]
local r = record(job, 'status', 'lane')
local status = r[1]
if not status then return nil end
if TERMINAL[status] then return status end
if status == 'running' then
  write(job, 'cancel', '1')
  return status
end
if status == 'held' then redis.call('ZREM', key.held, job) end
conclude(job, 'cancel', 'cancelled', by ~= '' and 'cancelled by ' .. by or 'cancelled')
if status == 'waiting' then unpark(job, r[2]) end
return finally('cancelled')
