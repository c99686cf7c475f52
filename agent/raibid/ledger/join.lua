-- ARGV: job, token, group, supersede. The agent has read the pipeline's file: its job joins a concurrency group, of which
-- one runs at a time. ok: it may run. wait: it is back in a lane of its group, outside of the stream, until the group is
-- free; the attempt does not count. cancelled: somebody has called it off, or a newer job of the group supersedes it.
local job, token, group, supersedes = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local r = record(job, 'status', 'token', 'released', 'lane', 'spec', 'created', 'attempt', 'entry', 'cancel', 'score')
if r[3] == token then return r[1] == 'cancelled' and r[1] or 'wait' end -- its reply was lost
if r[1] ~= 'running' or r[2] ~= ARGV[2] then return 'stale' end

local function called_off()
  write(job, 'released', token)
  conclude(job, 'cancel', 'cancelled', 'cancelled')
  return finally('cancelled')
end

if r[9] == '1' then return called_off() end -- it must neither take the group nor call off whoever has it

-- A stranger's pull request must neither hold up nor call off what the repository's own branches do.
local spec = cjson.decode(r[5])
if spec.fork and spec.fork ~= '' then group = group .. ' of ' .. spec.ref end
local repo, resource = split(r[4])
local lane, name = repo .. '|' .. resource .. '|' .. group, repo .. '|' .. group
if lane ~= r[4] then
  let_go(job, r[4]) -- of a ref that has moved since, the file may name another group than last time
  write(job, 'lane', lane)
end

-- Who came later, of all that wait in the group or have it, if its jobs supersede each other.
local function newer()
  local others, found = { holder_of(name) }, nil
  for _, each in ipairs(redis.call('ZRANGE', key.lanes, 0, -1)) do
    if group_of(each) == name then
      for _, waiting in ipairs(redis.call('ZRANGE', key.lane .. each, 0, -1)) do others[#others + 1] = waiting end
    end
  end
  for _, other in ipairs(others) do
    local created = tonumber(record(other, 'created')[1] or 0)
    if other ~= job and created > tonumber(r[6]) then found = other end
    if other ~= job and created <= tonumber(r[6]) then supersede(other, job) end
  end
  return found
end

local by = supersedes and newer()
if by then write(job, 'superseded', by) end
local holder = holder_of(name)
local first = redis.call('ZRANGE', key.lane .. lane, 0, 0, 'WITHSCORES')
if not holder and first[1] and tonumber(first[2]) < tonumber(r[10]) then holder = first[1] end -- its turn is before

if by then return called_off() end
if not holder or holder == job then
  take_group(name, job)
  return finally('ok')
end
local reason = 'concurrency group ' .. group .. ' is taken by ' .. holder
say(job, r[7], 'concurrency', reason .. '\n')
write(job, 'released', token, 'attempt', int(tonumber(r[7]) - 1))
withdraw(job, r[8], reason)
return finally('wait')
