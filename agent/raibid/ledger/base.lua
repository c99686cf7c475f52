-- Shared by every script: time, records, events, how a job enters and how it ends.
-- `key` and the names in capitals come from the header (scripts.py): RETENTION in seconds, AGE in µs, the rest counts.
-- Lua in Redis does not roll back: each step checks first, writes then, and does XACK + XDEL last.

local URGENT_BAND = 1e15 -- µs, about 31 years: class 0 is a band of its own that ageing never reaches

local function dict(flat)
  local t = {}
  for i = 1, #flat, 2 do t[flat[i]] = flat[i + 1] end
  return t
end

local settings = dict(redis.call('HGETALL', key.settings))

local function set(name, value)
  settings[name] = value
  redis.call('HSET', key.settings, name, value)
end

local function int(number) return string.format('%.0f', number) end

local function time_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

local function paused() return settings.paused_at ~= nil and settings.paused_at ~= '' end

-- The queue's clock stands still while paused, so that a pause ages nobody.
local function clock()
  local at = paused() and tonumber(settings.paused_at) or time_us()
  return at - tonumber(settings.paused_total or 0)
end

-- Strictly increasing even when the machine's clock is set back: first in, first out within a lane. The last one
-- given is written down by `finally`, once per script.
local function next_score(class)
  local base = math.max(clock(), tonumber(settings.last_score or 0) + 1)
  settings.last_score, settings.scored = base, true
  if class == 0 then return base - URGENT_BAND end
  return base + class * AGE
end

local function window_size() return tonumber(settings.window or WINDOW) end

local function record(job, ...) return redis.call('HMGET', key.job .. job, ...) end

local function write(job, ...) redis.call('HSET', key.job .. job, ...) end

-- One entry per transition, in the same atomic step as the transition.
local function event(job, name, from, to, attempt)
  redis.call('XADD', key.events, 'MAXLEN', '~', settings.events_max or EVENTS_KEPT, '*',
    'job', job, 'event', name, 'from', from, 'to', to, 'attempt', attempt or '')
end

-- What the forge is to hear of: marked in the same atomic step as the change.
local function tell(job) redis.call('SADD', key.untold, job) end

-- A line of the ledger's own in a job's log. It is not counted among the agent's chunks (append_log), or a chunk sent
-- again after a lost reply could be taken for it.
local function say(job, attempt, step, line)
  local last = redis.call('XREVRANGE', key.log .. job, '+', '-', 'COUNT', 1)[1]
  local before = last and dict(last[2]).d or ''
  if before ~= '' and before:sub(-1) ~= '\n' then line = '\n' .. line end -- an agent killed in mid-line
  redis.call('XADD', key.log .. job, '*', 'd', line, 's', step, 'a', attempt)
  redis.call('HINCRBY', key.job .. job, 'log_bytes', #line)
end

-- lanes maps each non-empty lane to its head's score.
local function reindex(lane)
  local head = redis.call('ZRANGE', key.lane .. lane, 0, 0, 'WITHSCORES')
  if head[1] then redis.call('ZADD', key.lanes, head[2], lane) else redis.call('ZREM', key.lanes, lane) end
end

local function park(job, lane, score)
  redis.call('ZADD', key.lane .. lane, score, job)
  if redis.call('ZRANK', key.lane .. lane, job) == 0 then redis.call('ZADD', key.lanes, score, lane) end
end

local function unpark(job, lane)
  redis.call('ZREM', key.lane .. lane, job)
  reindex(lane)
end

local function drop(entry)
  redis.call('XACK', key.stream, key.group, entry)
  redis.call('XDEL', key.stream, entry)
end

local function ensure_group()
  local made = redis.pcall('XGROUP', 'CREATE', key.stream, key.group, '0', 'MKSTREAM')
  if type(made) == 'table' and made.err and not made.err:find('BUSYGROUP', 1, true) then error(made.err) end
end

local TERMINAL = { success = true, failed = true, cancelled = true, dead = true }

-- `<repository>|<resource>`, and a third part once the job has joined a concurrency group (join.lua).
local function split(lane)
  local repo, resource, group = lane:match('^([^|]*)|([^|]*)|?(.*)$')
  return repo or lane, resource or '', group or '' -- an entry written by hand may hold anything; it must not stop admit
end

-- What a concurrency group is called: groups of two repositories never meet.
local function group_of(lane)
  local repo, _, group = split(lane)
  return group ~= '' and repo .. '|' .. group or nil
end

-- Whether or not it has the group of this lane: it does not any more.
local function let_go(job, lane)
  local group = group_of(lane)
  if group and redis.call('HMGET', key.holder .. group, 'job')[1] == job then
    redis.call('EXPIRE', key.holder .. group, 0) -- deletes it; an agent may not DEL
  end
end

-- The end of a job. The token stays, so that a finish whose reply was lost can be repeated.
local function conclude(job, name, to, reason)
  local r = record(job, 'status', 'dedupe', 'attempt', 'entry', 'lane', 'group', 'superseded')
  if to == 'cancelled' and r[7] and r[7] ~= '' then reason = 'superseded by ' .. r[7] end
  write(job, 'status', to, 'finished', int(time_us()), 'reason', reason, 'stuck', '', 'entry', '')
  redis.call('XADD', key.log .. job, '*', 'end', to)
  if r[2] and r[2] ~= '' then redis.call('EXPIRE', key.dedupe .. r[2], RETENTION) end
  redis.call('EXPIRE', key.log .. job, RETENTION + 3600)
  redis.call('EXPIRE', key.job .. job, RETENTION + 3600) -- outlives its dedupe key
  redis.call('SADD', key.unarchived, job)
  if r[6] and r[6] ~= '' and redis.call('HMGET', key.newest .. r[6], 'job')[1] == job then
    redis.call('EXPIRE', key.newest .. r[6], RETENTION)
  end
  if r[5] then let_go(job, r[5]) end
  tell(job)
  event(job, name, r[1], to, r[3])
  if r[4] and r[4] ~= '' then drop(r[4]) end
end

local function dead_letter(...)
  redis.call('XADD', key.dead, 'MAXLEN', '~', DEAD_KEPT, '*', 'at', int(time_us()), ...)
end

local function bury(job, reason)
  dead_letter('job', job, 'reason', reason, 'attempt', record(job, 'attempt')[1] or '')
  conclude(job, 'bury', 'dead', reason)
end

-- An entry that names no job: kept as a dead letter, out of the stream.
local function discard(entry, fields)
  if fields and #fields > 0 then dead_letter('reason', 'unparseable entry', 'raw', cjson.encode(fields)) end
  drop(entry)
end

-- Called off: one that runs is told by its next beat, any other ends now. Returns the status after it.
local function call_off(job, status, lane, reason)
  if status == 'running' then
    write(job, 'cancel', '1')
    return status
  end
  if status == 'held' then redis.call('ZREM', key.held, job) end
  conclude(job, 'cancel', 'cancelled', reason)
  if status == 'waiting' then unpark(job, lane) end
  return 'cancelled'
end

-- Another job makes this one's result worthless.
local function supersede(job, by)
  local r = record(job, 'status', 'lane')
  if not r[1] or TERMINAL[r[1]] then return end
  write(job, 'superseded', by)
  call_off(job, r[1], r[2], '')
end
