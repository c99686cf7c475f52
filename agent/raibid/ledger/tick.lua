-- ARGV: lease in ms. Repairs what no agent is left to repair, then admits. Counts of what it did, as pairs.
local lease = tonumber(ARGV[1])
ensure_group()
local did = { cancelled = 0, withdrawn = 0, dropped = 0, orphans = 0, consumers = 0, indexed = 0 }

local function order(id)
  local ms, seq = id:match('^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local function not_after(a, b)
  local a_ms, a_seq = order(a)
  local b_ms, b_seq = order(b)
  return a_ms < b_ms or (a_ms == b_ms and a_seq <= b_seq)
end

-- Lost leases that are not to run again.
if leases_known(lease) then
  for _, late in ipairs(redis.call('XPENDING', key.stream, key.group, 'IDLE', lease, '-', '+', 100)) do
    local id = late[1]
    local found = redis.call('XRANGE', key.stream, id, id)[1]
    local job = found and dict(found[2]).job
    local r = job and record(job, 'status', 'entry', 'cancel', 'lane')
    if not job or not r[1] or TERMINAL[r[1]] or r[2] ~= id then
      drop(id)
      did.dropped = did.dropped + 1
    else
      local end_ = lost(job, id, r[3], r[4], survey())
      if end_ then did[end_] = did[end_] + 1 end
    end
  end
end

-- Entries that were delivered but are pending for nobody (a consumer was deleted by hand): never delivered again.
local delivered
for _, group in ipairs(redis.call('XINFO', 'GROUPS', key.stream)) do
  local g = dict(group)
  if g.name == key.group then delivered = g['last-delivered-id'] end
end
for _, entry in ipairs(redis.call('XRANGE', key.stream, '-', '+')) do
  local id = entry[1]
  if not dict(entry[2]).job then -- claim would do it, but takes nothing while paused
    discard(id, entry[2])
    did.dropped = did.dropped + 1
  elseif not_after(id, delivered) and not redis.call('XPENDING', key.stream, key.group, id, id, 1)[1] then
    local job = dict(entry[2]).job
    local r = job and record(job, 'status', 'entry')
    if r and (r[1] == 'running' or r[1] == 'queued') and r[2] == id then withdraw(job, id, 'orphaned') else drop(id) end
    did.orphans = did.orphans + 1
  end
end

-- What nobody repeats is true no longer: a controller that is away for good must not leave its note to queued jobs.
if redis.call('EXISTS', key.stuck) == 0 then
  for _, entry in ipairs(survey().entries) do
    if entry.job and (record(entry.job, 'stuck')[1] or '') ~= '' then
      write(entry.job, 'stuck', '')
      tell(entry.job)
    end
  end
end

-- A walk over the records, some per tick: expired ones leave the index, strays return to their lane.
local cursor = settings.scrub or '-'
local ids = redis.call('ZRANGEBYLEX', key.index, cursor, '+', 'LIMIT', 0, 100)
for _, job in ipairs(ids) do
  local r = record(job, 'status', 'entry', 'lane', 'score', 'attempt')
  if not r[1] then
    redis.call('ZREM', key.index, job)
    redis.call('SREM', key.unarchived, job)
    redis.call('SREM', key.untold, job)
    did.indexed = did.indexed + 1
  elseif r[1] == 'waiting'
    and not (redis.call('ZSCORE', key.lane .. r[3], job) and redis.call('ZSCORE', key.lanes, r[3])) then
    redis.call('ZADD', key.lane .. r[3], r[4], job)
    reindex(r[3])
    did.orphans = did.orphans + 1
  elseif r[1] == 'held' and not redis.call('ZSCORE', key.held, job) then
    redis.call('ZADD', key.held, int(time_us()), job)
    did.orphans = did.orphans + 1
  elseif (r[1] == 'queued' or r[1] == 'running') and not redis.call('XRANGE', key.stream, r[2], r[2])[1] then
    withdraw(job, r[2], 'its entry was deleted')
    did.orphans = did.orphans + 1
  end
end
set('scrub', ids[100] and '(' .. ids[100] or '-')

-- Each crash leaves a consumer; those with anything pending stay, or their entries would be lost.
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', key.stream, key.group)) do
  local c = dict(consumer)
  if tonumber(c.pending) == 0 and tonumber(c.idle) > 3600000 then
    redis.call('XGROUP', 'DELCONSUMER', key.stream, key.group, c.name)
    did.consumers = did.consumers + 1
  end
end

local pairs_ = {}
for name, count in pairs(did) do
  pairs_[#pairs_ + 1], pairs_[#pairs_ + 2] = name, count
end
return finally(pairs_)
