-- ARGV: old id, new id, retries so far, hold, dead letter. A new job like an ended one; a double click makes one,
-- and a dead letter is requeued once.
local old, new, letter = ARGV[1], ARGV[2], ARGV[5]
local r = record(old, 'spec', 'repo', 'branch', 'class', 'lane', 'max', 'status')
if not r[7] then return { 'missing' } end
if not TERMINAL[r[7]] then return { 'not-terminal', r[7] } end
ensure_group()
local _, resource = split(r[5])
local made = create({
  id = new, dedupe = 'retry:' .. old .. ':' .. (letter ~= '' and letter or ARGV[3]), spec = r[1], repo = r[2], branch = r[3], resource = resource,
  class = tonumber(r[4]), max = r[6], hold = ARGV[4] == '1', retry_of = old,
})
if made[2] == 1 then write(old, 'retries', tonumber(ARGV[3]) + 1, 'retried_as', made[1]) end
if letter ~= '' then redis.call('XDEL', key.dead, letter) end
finally(nil)
made[3] = record(made[1], 'status')[1]
return made
