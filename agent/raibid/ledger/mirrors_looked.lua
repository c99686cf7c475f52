-- ARGV: mirror, until when it was taken, when it is due again (times in ms). 0: somebody has asked for it meanwhile, or
-- it is no more.
if redis.call('ZSCORE', key.mirrors_due, ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('ZADD', key.mirrors_due, ARGV[3], ARGV[1])
return 1
