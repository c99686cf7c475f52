-- ARGV: job, token, data, step, cap in bytes (0: none), number of the chunk (0: not counted).
local job, cap, number = ARGV[1], tonumber(ARGV[5]), tonumber(ARGV[6])
local r = record(job, 'status', 'token', 'attempt', 'log_bytes', 'log_seq')
if r[1] ~= 'running' or r[2] ~= ARGV[2] then return 'stale' end
if number > 0 and number <= tonumber(r[5] or 0) then return 'ok' end -- its reply was lost
if cap > 0 and tonumber(r[4] or 0) + #ARGV[3] > cap then return 'full' end
redis.call('XADD', key.log .. job, '*', 'd', ARGV[3], 's', ARGV[4], 'a', r[3])
redis.call('HINCRBY', key.job .. job, 'log_bytes', #ARGV[3])
if number > 0 then write(job, 'log_seq', number) end
return 'ok'
