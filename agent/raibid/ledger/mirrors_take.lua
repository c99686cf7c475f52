-- ARGV: now, until, by whom (times in ms). The mirror that is longest overdue: its name, since when somebody waits for
-- it, what was announced of its source. Until then, or until `looked`, nobody else gets it.
local due = redis.call('ZRANGE', key.mirrors_due, '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
local name = due[1]
if not name then return {} end
local wish = cjson.decode(redis.call('HGET', key.mirrors_wishes, name) or '{}')
local since = math.min(tonumber(due[2]), wish.asked or math.huge)
-- Whoever had it died over it: what it was taken for still waits.
if wish.by then since = math.min(since, wish.since) end
wish.by, wish.since, wish.asked = ARGV[3], since, nil
redis.call('HSET', key.mirrors_wishes, name, cjson.encode(wish))
redis.call('ZADD', key.mirrors_due, ARGV[2], name)
return {name, int(since), cjson.encode(wish.announced or {})}
