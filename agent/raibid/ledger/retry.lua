-- ARGV: old id, new id, retries so far, hold, dead letter. A new job like an ended one; a double click makes one,
-- and a dead letter is requeued once.
local old, new, letter = ARGV[1], ARGV[2], ARGV[5]
local r = record(old, 'spec', 'repo', 'branch', 'class', 'lane', 'max', 'status', 'group')
if not r[7] then return { 'missing' } end
if not TERMINAL[r[7]] then return { 'not-terminal', r[7] } end
ensure_group()
local _, resource = split(r[5])
-- Only of the newest commit a retry is the newest job. Of an older one it is a wish of its own, outside of the group:
-- it supersedes nothing and nothing supersedes it.
local group, sha = r[8] or '', ''
if group ~= '' then
  sha = cjson.decode(r[1]).sha or ''
  local newest = newest_of(group)
  if newest.job ~= old and (sha == '' or newest.sha ~= sha) then group = '' end
end
local made = create({
  id = new, dedupe = 'retry:' .. old .. ':' .. (letter ~= '' and letter or ARGV[3]), spec = r[1], repo = r[2],
  branch = r[3], resource = resource, class = tonumber(r[4]), max = r[6], hold = ARGV[4] == '1', retry_of = old,
  group = group, sha = sha, before = '', seen = 0,
})
if made[2] == 1 then write(old, 'retries', tonumber(ARGV[3]) + 1, 'retried_as', made[1]) end
if letter ~= '' then redis.call('XDEL', key.dead, letter) end
finally(nil)
made[3] = record(made[1], 'status')[1]
return made
