-- ARGV: job, pod of the newest post-mortem in what was archived, how long the log stays in seconds.
-- 1: archived for the first time; 0: not so, or a post-mortem came meanwhile and it is to be archived again.
local job = ARGV[1]
local r = record(job, 'status', 'archived', 'pods')
local last = r[3] and r[3]:match('[^\n]+$')
if last and ARGV[2] ~= '*' and cjson.decode(last).pod ~= ARGV[2] then return 0 end
redis.call('SREM', key.unarchived, job)
redis.call('EXPIRE', key.log .. job, ARGV[3])
if r[2] then return 0 end
if r[1] then write(job, 'archived', '1') end -- a record that is gone must not come back, without an end to its life
return 1
