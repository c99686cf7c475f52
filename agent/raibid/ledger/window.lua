-- The admission window: the stream holds exactly the jobs that an agent may take now (spec/queue.md 2.0).
-- Counts are read from the stream, never kept, so nothing can leak. Who has a concurrency group is kept, in a key per
-- group, and believed only as long as that job's record agrees. The work is bounded by lanes, never by jobs: of a lane
-- the head alone is looked at, so jobs that wait for their group cost as much as one (only `join` with `cancel` walks
-- those of its own group).

local limits = dict(redis.call('HGETALL', key.limits))

-- The limit that applies, or nil. A job that needs no counted resource has no resource limit.
local function limit_of(kind, name)
  if kind == 'resource' and name == '' then return nil end
  return tonumber(limits[kind .. ':' .. name] or limits[kind .. ':*'])
end

-- The job that a concurrency group is taken by. What the key says holds only as long as that job's record agrees: one
-- that was withdrawn or is gone holds nothing, so nothing can leak.
local function holder_of(group)
  local job = redis.call('HMGET', key.holder .. group, 'job')[1]
  local r = job and record(job, 'status', 'lane')
  if r and (r[1] == 'queued' or r[1] == 'running') and group_of(r[2]) == group then return job end
  return nil
end

local function take_group(group, job) redis.call('HSET', key.holder .. group, 'job', job) end

local function survey()
  local s = { total = 0, repo = {}, resource = {}, holder = {}, entries = redis.call('XRANGE', key.stream, '-', '+') }
  for _, entry in ipairs(s.entries) do
    local f = dict(entry[2])
    entry.job, entry.lane = f.job, f.lane
    s.total = s.total + 1 -- an unparseable entry takes a place until claim drops it
    if f.job and f.lane then
      local repo, resource = split(f.lane)
      s.repo[repo] = (s.repo[repo] or 0) + 1
      s.resource[resource] = (s.resource[resource] or 0) + 1
    end
  end
  return s
end

local function forget(s, lane)
  local repo, resource = split(lane)
  s.total, s.repo[repo], s.resource[resource] = s.total - 1, s.repo[repo] - 1, s.resource[resource] - 1
  s.holder = {}
end

-- As `holder_of`, asked once per look at the stream: admit asks for every lane and every place.
local function held_by(s, group)
  if s.holder[group] == nil then s.holder[group] = holder_of(group) or false end
  return s.holder[group]
end

-- Which limit one more job of this lane (`more` = 1), or the jobs it has now (`more` = 0), would exceed.
local function blocked(s, lane, more)
  local repo, resource = split(lane)
  local of_repo, of_resource = limit_of('repo', repo), limit_of('resource', resource)
  if of_repo and (s.repo[repo] or 0) + more > of_repo then return 'repo', of_repo end
  if of_resource and (s.resource[resource] or 0) + more > of_resource then return 'resource', of_resource end
  local group = more > 0 and group_of(lane)
  if group and held_by(s, group) then return 'group', 1 end
  return nil
end

local function open_window() return paused() and 0 or window_size() end

local function over(s, lane) return s.total > open_window() or blocked(s, lane, 0) ~= nil end

-- Stream → lane, at the old score. The owner stays: its pod may yet be said to have ended (pod_ended.lua).
local function withdraw(job, entry, reason)
  local r = record(job, 'status', 'lane', 'score', 'attempt')
  write(job, 'status', 'waiting', 'entry', '', 'token', '', 'reason', reason, 'stuck', '')
  if r[1] == 'running' then tell(job) end
  event(job, 'withdraw', r[1], 'waiting', r[4])
  park(job, r[2], r[3])
  drop(entry)
end

-- A pause, a smaller window or a lower limit sends unclaimed entries back, newest first; claimed ones finish.
local function trim(s)
  for i = #s.entries, 1, -1 do
    local entry = s.entries[i]
    if entry.job and entry.lane and over(s, entry.lane) then
      local r = record(entry.job, 'status', 'entry')
      if r[1] == 'queued' and r[2] == entry[1] then
        withdraw(entry.job, entry[1], paused() and 'paused' or 'limit or window')
        forget(s, entry.lane)
      end
    end
  end
end

-- Class by age: one class better per AGE waited, HIGH at best; urgent (0) is reached by nobody else.
local function aged(score, now)
  if score < now - URGENT_BAND / 2 then return 0 end
  return math.max(1, math.ceil((score - now) / AGE))
end

-- Ranking of two lanes' heads: aged class, fewest of the repository in the stream, least recently served, score.
local function before(s, a, b)
  if a.class ~= b.class then return a.class < b.class end
  local mine, theirs = s.repo[a.repo] or 0, s.repo[b.repo] or 0
  if mine ~= theirs then return mine < theirs end
  if a.turn ~= b.turn then return a.turn < b.turn end
  return a.score < b.score
end

-- Every lane's head. Turns are read 1,000 at a time: one by one they were most of admit's cost at 500 repositories.
local function heads(now)
  local flat, list, repos = redis.call('ZRANGE', key.lanes, 0, -1, 'WITHSCORES'), {}, {}
  for i = 1, #flat, 2 do
    local score, repo = tonumber(flat[i + 1]), split(flat[i])
    list[#list + 1] = { lane = flat[i], repo = repo, score = score, class = aged(score, now) }
    repos[#repos + 1] = repo
  end
  for from = 1, #repos, 1000 do
    local turns = redis.call('HMGET', key.turn, unpack(repos, from, math.min(from + 999, #repos)))
    for i, turn in ipairs(turns) do list[from + i - 1].turn = tonumber(turn or 0) end
  end
  return list
end

-- Lane → stream: XADD, HSET, and ZREM last; popping first would lose the job with a crash in between.
local function move(head)
  local job = redis.call('ZRANGE', key.lane .. head.lane, 0, 0)[1]
  if not job then
    reindex(head.lane)
    return false
  end
  local r = record(job, 'status', 'attempt')
  if r[1] ~= 'waiting' then
    unpark(job, head.lane) -- its record is gone or says otherwise: the record is the truth
    return false
  end
  local entry = redis.call('XADD', key.stream, '*', 'job', job, 'lane', head.lane)
  write(job, 'status', 'queued', 'entry', entry, 'admitted', int(time_us()))
  head.turn = redis.call('HINCRBY', key.settings, 'served', 1)
  redis.call('HSET', key.turn, head.repo, head.turn)
  local group = group_of(head.lane)
  if group then take_group(group, job) end
  event(job, 'admit', 'waiting', 'queued', r[2])
  unpark(job, head.lane)
  return true
end

local function admit()
  local s = survey()
  trim(s)
  local window = open_window()
  if s.total >= window then return end
  -- Scores rise by one at least, so the latest may lie ahead of the clock: it is not a class worse for that.
  local now = math.max(clock(), tonumber(settings.last_score or 0))
  local list = heads(now)
  while s.total < window do
    local best, at
    for i, head in ipairs(list) do
      if (not best or before(s, head, best)) and not blocked(s, head.lane, 1) then best, at = head, i end
    end
    if not best then return end
    if move(best) then
      local repo, resource = split(best.lane)
      s.total, s.repo[repo] = s.total + 1, (s.repo[repo] or 0) + 1
      s.resource[resource] = (s.resource[resource] or 0) + 1
      s.holder = {}
      for _, head in ipairs(list) do -- a repository's lanes share its turn
        if head.repo == repo then head.turn = best.turn end
      end
    end
    local score = tonumber(redis.call('ZSCORE', key.lanes, best.lane) or nil)
    if score then best.score, best.class = score, aged(score, now) else table.remove(list, at) end
  end
end

-- Ends every script that changes who may run. Its own writes are done by then: an error here is counted, alerted
-- on and healed by the next tick, never an error of the caller's step.
local function finally(reply)
  if settings.scored then set('last_score', int(settings.last_score)) end
  local ok, problem = pcall(admit)
  if not ok then
    redis.call('HINCRBY', key.settings, 'admit_errors', 1)
    redis.call('HSET', key.settings, 'admit_error', type(problem) == 'table' and problem.err or tostring(problem))
  end
  return reply
end

-- Redis' idle times include its own downtime: just after a restart every lease looks lost.
local function leases_known(lease_ms)
  local up = tonumber(redis.call('INFO', 'server'):match('uptime_in_seconds:(%d+)'))
  return up * 1000 >= lease_ms
end

-- What a lost lease means: cancelled, back to the lane, or (nil) a new start for whoever claims it.
local function lost(job, entry, cancel, lane, s)
  if cancel == '1' then
    conclude(job, 'cancel', 'cancelled', 'cancelled; its agent was lost')
    return 'cancelled'
  end
  if over(s, lane) then
    withdraw(job, entry, 'lease lost')
    return 'withdrawn'
  end
  return nil
end
