-- How a job enters: a new record in its lane, held, or superseded at once because a newer one is there already.

-- The newest job of a superseding group: {job, its commit, when it came, commits that others were pushed upon}.
local function newest_of(group)
  local n = redis.call('HMGET', key.newest .. group, 'job', 'sha', 'at', 'past')
  return { job = n[1], sha = n[2] or '', at = tonumber(n[3] or 0), past = n[4] or '' }
end

-- Deliveries overtake each other, and the order of their coming is only what is left when neither word says more: a
-- push upon the newest commit is newer, a look at the forge is as old as it says, and a commit that another was pushed
-- upon is older.
local function is_newest(j, n)
  if not n.job or j.sha == '' or j.sha == n.sha or j.before == n.sha then return true end
  if j.seen > 0 then return j.seen >= n.at end
  return not n.past:find(j.sha, 1, true)
end

-- Whether the branch has come back to a commit that has a job. Else it is that job's delivery once more. Without a group
-- nobody knows where the branch was; then another push is one upon another commit than the job's own.
local function is_back(j, known)
  if j.group == '' then
    local spec = cjson.decode(record(known, 'spec')[1])
    return j.before ~= '' and j.before ~= spec.before and spec.found_by ~= 'reconciler' -- which may have missed pushes
  end
  local n = newest_of(j.group)
  if not n.job or j.sha == n.sha then return false end
  return (j.before ~= '' and j.before == n.sha) or (j.seen > 0 and j.seen >= n.at)
end

-- What others were pushed upon, with the commit that this one was.
local function past_with(j, n) return j.before ~= '' and j.before .. ' ' .. n.past:sub(1, PAST_KEPT) or n.past end

-- The branch is back at a commit whose job was not called off: that job is the newest again, with the result it has.
local function stand_again(j, known, status)
  local n = newest_of(j.group)
  redis.call('HSET', key.newest .. j.group, 'job', known, 'sha', j.sha, 'at', int(time_us()), 'past', past_with(j, n))
  if TERMINAL[status] then
    redis.call('EXPIRE', key.newest .. j.group, RETENTION)
  else
    redis.call('PERSIST', key.newest .. j.group)
  end
  write(known, 'superseded', '') -- it was done before it heard
  supersede(n.job, known)
end

-- The group's newest job supersedes the one that was; a job that comes late is superseded by the newest.
local function enter_group(j, now)
  local n = newest_of(j.group)
  local past = past_with(j, n)
  if is_newest(j, n) then
    redis.call('HSET', key.newest .. j.group, 'job', j.id, 'sha', j.sha, 'at', now, 'past', past)
    redis.call('PERSIST', key.newest .. j.group)
    if n.job then supersede(n.job, j.id) end
  else
    redis.call('HSET', key.newest .. j.group, 'past', past)
    supersede(j.id, n.job)
  end
end

-- Returns {id, created, status}; a known dedupe key gives its job back.
local function create(j)
  local known = redis.call('GET', key.dedupe .. j.dedupe)
  if known then
    local r = record(known, 'status', 'superseded', 'group')
    if r[1] then
      local back = (r[3] or '') == j.group and is_back(j, known)
      local called_off = r[1] == 'cancelled' or r[1] == 'running' and r[2] and r[2] ~= ''
      if back and j.group ~= '' and not called_off then stand_again(j, known, r[1]) end
      if not (back and called_off) then return { known, 0, r[1] } end
    end
    -- A key whose record is gone counts as absent; and the end of the one before must not let the new job's key expire.
    if r[1] then write(known, 'dedupe', '') end
  end
  local lane = j.repo .. '|' .. j.resource
  local status, score = 'waiting', ''
  if j.hold then status = 'held' else score = int(next_score(j.class)) end
  local now = int(time_us())
  write(j.id, 'spec', j.spec, 'repo', j.repo, 'branch', j.branch, 'class', j.class, 'lane', lane,
    'status', status, 'score', score, 'attempt', 0, 'max', j.max, 'refunds', 0, 'entry', '', 'owner', '', 'token', '',
    'dedupe', j.dedupe, 'retry_of', j.retry_of or '', 'created', now, 'group', j.group)
  redis.call('SET', key.dedupe .. j.dedupe, j.id)
  redis.call('ZADD', key.index, 0, j.id)
  tell(j.id)
  event(j.id, 'create', '', status, 0)
  if j.hold then redis.call('ZADD', key.held, now, j.id) else park(j.id, lane, score) end
  if j.group ~= '' then enter_group(j, now) end
  return { j.id, 1, status }
end
