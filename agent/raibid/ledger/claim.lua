-- ARGV: owner, token, lease in ms. A lease on the next job: one whose lease was lost first, else the oldest entry.
local owner, token, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
ensure_group()

-- A repeated call whose first reply was lost: the same owner and token have a job already.
local mine = redis.call('XPENDING', key.stream, key.group, '-', '+', 1, owner)
if mine[1] then
  local entry = redis.call('XRANGE', key.stream, mine[1][1], mine[1][1])
  local job = entry[1] and dict(entry[1][2]).job
  if job then
    local r = record(job, 'status', 'token')
    if r[1] == 'running' and r[2] == token then
      local all = redis.call('HGETALL', key.job .. job)
      all[#all + 1], all[#all + 2] = 'id', job
      return all
    end
  end
end

local known = nil -- whether leases can be judged; asked only when one looks lost
local function expired()
  if known == false then return nil end
  local late = redis.call('XPENDING', key.stream, key.group, 'IDLE', lease, '-', '+', 1)
  if not late[1] then return nil end
  if known == nil then known = leases_known(lease) end
  if not known then return nil end
  local taken = redis.call('XCLAIM', key.stream, key.group, owner, lease, late[1][1])
  return taken[1] or { late[1][1], {} } -- deleted meanwhile: only its place in the list is left
end

local function fresh()
  local reply = redis.call('XREADGROUP', 'GROUP', key.group, owner, 'COUNT', 1, 'STREAMS', key.stream, '>')
  return reply and reply[1] and reply[1][2][1]
end

local function start(job, from, attempt)
  write(job, 'status', 'running', 'owner', owner, 'token', token, 'attempt', attempt, 'started', int(time_us()),
    'reason', '', 'stuck', '', 'log_seq', 0)
  redis.call('HSET', key.agent .. owner, 'job', job, 'attempt', attempt, 'token', token, 'told', '')
  redis.call('EXPIRE', key.agent .. owner, AGENT_KEPT)
  tell(job)
  event(job, 'claim', from, 'running', attempt)
  local all = redis.call('HGETALL', key.job .. job)
  all[#all + 1], all[#all + 2] = 'id', job
  return all
end

if paused() then return nil end

for _ = 1, 100 do -- each turn drops, ends or starts one entry; the bound keeps the script short
  local was_lost = expired()
  local entry = was_lost or fresh()
  if not entry then break end
  local id, job = entry[1], dict(entry[2] or {}).job
  local r = job and record(job, 'status', 'entry', 'attempt', 'max', 'cancel', 'lane', 'reason')
  if not job then
    discard(id, entry[2])
    finally(nil)
  elseif not r[1] or TERMINAL[r[1]] or r[2] ~= id then
    drop(id) -- no record, ended, or superseded by a later entry
    finally(nil)
  elseif was_lost and lost(job, id, r[5], r[6], survey()) then
    finally(nil)
  elseif r[5] == '1' then
    conclude(job, 'cancel', 'cancelled', 'cancelled')
    finally(nil)
  elseif tonumber(r[3]) >= tonumber(r[4]) then
    bury(job, 'infrastructure failed ' .. r[3] .. ' times' .. (r[7] and r[7] ~= '' and '; at last: ' .. r[7] or ''))
    finally(nil) -- the freed place goes to the next job, which this same agent takes
  else
    return start(job, r[1], tonumber(r[3]) + 1)
  end
end

-- Nothing to take: leave no consumer behind.
if not redis.call('XPENDING', key.stream, key.group, '-', '+', 1, owner)[1] then
  redis.call('XGROUP', 'DELCONSUMER', key.stream, key.group, owner)
end
return nil
