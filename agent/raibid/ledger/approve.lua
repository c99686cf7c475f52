-- ARGV: job, by whom. held → its lane; the age counts from now.
local job = ARGV[1]
local r = record(job, 'status', 'class', 'lane')
if not r[1] then return nil end
if r[1] ~= 'held' then return r[1] end
local score = int(next_score(tonumber(r[2])))
write(job, 'status', 'waiting', 'score', score, 'approved', ARGV[2])
tell(job)
event(job, 'approve', 'held', 'waiting', 0)
park(job, r[3], score)
redis.call('ZREM', key.held, job)
finally(nil)
return record(job, 'status')[1]
