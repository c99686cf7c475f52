-- ARGV: mirror, by whom, when it is due again (ms), its record ('': the look came to nothing), and the announcements
-- that are done with, as JSON ref → commit. 0: it was taken by somebody else since, or is no more; nothing is written.
local wish = cjson.decode(redis.call('HGET', key.mirrors_wishes, ARGV[1]) or '{}')
if wish.by ~= ARGV[2] then return 0 end
for ref, sha in pairs(cjson.decode(ARGV[5])) do
  local announced = wish.announced and wish.announced[ref]
  -- Another one since, of the same ref: that one stands.
  if announced and announced[1] == sha then wish.announced[ref] = nil end
end
if wish.announced and not next(wish.announced) then wish.announced = nil end
local due = math.min(tonumber(ARGV[3]), wish.asked or math.huge)
wish.by, wish.since, wish.asked = nil, nil, nil
if next(wish) then
  redis.call('HSET', key.mirrors_wishes, ARGV[1], cjson.encode(wish))
else
  redis.call('HDEL', key.mirrors_wishes, ARGV[1])
end
if ARGV[4] ~= '' then redis.call('HSET', key.mirrors, ARGV[1], ARGV[4]) end
redis.call('ZADD', key.mirrors_due, int(due), ARGV[1])
return 1
