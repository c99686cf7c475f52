-- ARGV: mirror, now in ms, and what was announced: a ref ('': nothing), its commit. 0: no such mirror.
-- One that is being looked at keeps its pledge, and is due again as soon as that look ends.
if redis.call('HEXISTS', key.mirrors, ARGV[1]) == 0 then return 0 end
local wish = cjson.decode(redis.call('HGET', key.mirrors_wishes, ARGV[1]) or '{}')
local now = tonumber(ARGV[2])
if wish.by then
  wish.asked = math.min(wish.asked or now, now)
else
  redis.call('ZADD', key.mirrors_due, 'LT', ARGV[2], ARGV[1])
end
if ARGV[3] ~= '' then
  wish.announced = wish.announced or {}
  wish.announced[ARGV[3]] = {ARGV[4], now}
end
if next(wish) then redis.call('HSET', key.mirrors_wishes, ARGV[1], cjson.encode(wish)) end
return 1
