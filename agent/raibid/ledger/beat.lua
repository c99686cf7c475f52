-- ARGV: job, token. XCLAIM … JUSTID makes the entry young again without raising its delivery count.
local r = record(ARGV[1], 'status', 'token', 'owner', 'entry', 'cancel')
if r[1] ~= 'running' or r[2] ~= ARGV[2] then return 'stale' end
redis.call('XCLAIM', key.stream, key.group, r[3], 0, r[4], 'JUSTID')
return r[5] == '1' and 'cancel' or 'ok'
