-- ARGV: job, token, data, step, cap in bytes (0: none).
local job, cap = ARGV[1], tonumber(ARGV[5])
local r = record(job, 'status', 'token', 'attempt', 'log_bytes')
if r[1] ~= 'running' or r[2] ~= ARGV[2] then return 'stale' end
if cap > 0 and tonumber(r[4] or 0) + #ARGV[3] > cap then return 'full' end
redis.call('XADD', key.log .. job, '*', 'd', ARGV[3], 's', ARGV[4], 'a', r[3])
redis.call('HINCRBY', key.job .. job, 'log_bytes', #ARGV[3])
return 'ok'
