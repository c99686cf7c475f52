-- An atomic look at the queue, as JSON.
local s = survey()
local claimed, repos, resources = 0, {}, {}
for _, entry in ipairs(s.entries) do
  if entry.job and entry.lane and record(entry.job, 'status')[1] == 'running' then
    local repo, resource = split(entry.lane)
    claimed, repos[repo], resources[resource] = claimed + 1, (repos[repo] or 0) + 1, (resources[resource] or 0) + 1
  end
end
local waiting = 0
for _, lane in ipairs(redis.call('ZRANGE', key.lanes, 0, -1)) do
  waiting = waiting + redis.call('ZCARD', key.lane .. lane)
end
local group = redis.pcall('XPENDING', key.stream, key.group)
local numbers = {}
for name, value in pairs(limits) do numbers[name] = tonumber(value) end

local function object(t) return next(t) and cjson.encode(t) or '{}' end
return string.format(
  '{"stream":%d,"claimed":%d,"pending":%d,"waiting":%d,"held":%d,"dead":%d,"window":%d,"paused":%s,"admit_errors":%d,'
    .. '"repos":%s,"claimed_repos":%s,"resources":%s,"claimed_resources":%s,"limits":%s}',
  s.total, claimed, group.err and 0 or group[1], waiting, redis.call('ZCARD', key.held), redis.call('XLEN', key.dead),
  window_size(), tostring(paused()), tonumber(settings.admit_errors or 0),
  object(s.repo), object(repos), object(s.resource), object(resources), object(numbers))
