-- ARGV: fifteen values per job: id, dedupe, spec, repo, branch, resource, class, max, hold; of its superseding group:
-- name, commit, the commit it was pushed upon, when the forge was asked in µs (0: it told by itself); and of what the
-- reconciler remembers: forge and repository (empty: nothing), ref.
ensure_group()
local made = {}
for i = 1, #ARGV, 15 do
  made[#made + 1] = create({
    id = ARGV[i], dedupe = ARGV[i + 1], spec = ARGV[i + 2], repo = ARGV[i + 3], branch = ARGV[i + 4],
    resource = ARGV[i + 5], class = tonumber(ARGV[i + 6]), max = ARGV[i + 7], hold = ARGV[i + 8] == '1',
    group = ARGV[i + 9], sha = ARGV[i + 10], before = ARGV[i + 11], seen = tonumber(ARGV[i + 12]),
  })
  -- Only of a repository that is looked at: of no other would anybody forget the refs that are gone.
  local heads = key.heads .. ARGV[i + 13]
  if ARGV[i + 13] ~= '' and redis.call('EXISTS', heads) == 1 then
    redis.call('HSET', heads, ARGV[i + 14], ARGV[i + 10])
  end
end
finally(nil)
for _, m in ipairs(made) do m[3] = record(m[1], 'status')[1] end
return made
