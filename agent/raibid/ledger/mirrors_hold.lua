-- ARGV: mirror, by whom, until when (ms). The look goes on. 0: it was taken by somebody else since, or is no more.
local wish = cjson.decode(redis.call('HGET', key.mirrors_wishes, ARGV[1]) or '{}')
if wish.by ~= ARGV[2] then return 0 end
redis.call('ZADD', key.mirrors_due, ARGV[3], ARGV[1])
return 1
