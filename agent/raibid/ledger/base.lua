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

-- The end of a job. The token stays, so that a finish whose reply was lost can be repeated.
local function conclude(job, name, to, reason)
  local r = record(job, 'status', 'dedupe', 'attempt', 'entry', 'lane')
  write(job, 'status', to, 'finished', int(time_us()), 'reason', reason, 'stuck', '', 'entry', '')
  redis.call('XADD', key.log .. job, '*', 'end', to)
  if r[2] and r[2] ~= '' then redis.call('EXPIRE', key.dedupe .. r[2], RETENTION) end
  redis.call('EXPIRE', key.log .. job, RETENTION + 3600)
  redis.call('EXPIRE', key.job .. job, RETENTION + 3600) -- outlives its dedupe key
  redis.call('SADD', key.unarchived, job)
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

-- A new record, in its lane or held. Returns {id, created, status}; a known dedupe key gives its job back.
local function create(j)
  local known = redis.call('GET', key.dedupe .. j.dedupe)
  if known then
    local status = record(known, 'status')[1]
    if status then return { known, 0, status } end -- a key whose record is gone counts as absent
  end
  local lane = j.repo .. '|' .. j.resource
  local status, score = 'waiting', ''
  if j.hold then status = 'held' else score = int(next_score(j.class)) end
  local now = int(time_us())
  write(j.id, 'spec', j.spec, 'repo', j.repo, 'branch', j.branch, 'class', j.class, 'lane', lane,
    'status', status, 'score', score, 'attempt', 0, 'max', j.max, 'refunds', 0, 'entry', '', 'owner', '', 'token', '',
    'dedupe', j.dedupe, 'retry_of', j.retry_of or '', 'created', now)
  redis.call('SET', key.dedupe .. j.dedupe, j.id)
  redis.call('ZADD', key.index, 0, j.id)
  tell(j.id)
  event(j.id, 'create', '', status, 0)
  if j.hold then redis.call('ZADD', key.held, now, j.id) else park(j.id, lane, score) end
  return { j.id, 1, status }
end
