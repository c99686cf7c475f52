-- ARGV: job, reason. A dead letter of a job in the stream; its agent, if it has one, is fenced off.
local status = record(ARGV[1], 'status')[1]
if not status then return nil end
if status ~= 'queued' and status ~= 'running' then return status end
write(ARGV[1], 'token', '')
bury(ARGV[1], ARGV[2])
return finally('dead')
