-- ARGV: what, value. Pause, resume, window, a limit; each takes effect in this same step.
local what, value = ARGV[1], ARGV[2]
if what == 'pause' then
  if not paused() then set('paused_at', int(time_us())) end
elseif what == 'resume' then
  if paused() then
    local stood = math.max(0, time_us() - tonumber(settings.paused_at))
    set('paused_total', int(tonumber(settings.paused_total or 0) + stood))
    set('paused_at', '')
  end
elseif what == 'window' or what == 'events_max' then
  set(what, value)
else -- repo:<name> or resource:<name>
  if value == '' then redis.call('HDEL', key.limits, what) else redis.call('HSET', key.limits, what, value) end
  limits = dict(redis.call('HGETALL', key.limits))
end
ensure_group()
return finally('ok')
