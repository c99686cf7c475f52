-- ARGV: now, until, how many (times in ms). Names of mirrors whose time has come; until then nobody else gets them.
local due = redis.call('ZRANGE', key.mirrors_due, '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[3])
for _, name in ipairs(due) do redis.call('ZADD', key.mirrors_due, ARGV[2], name) end
return due
