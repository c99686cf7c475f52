-- ARGV: job, the status its forge was told. 1: told for good; 0: it has changed meanwhile.
local status = record(ARGV[1], 'status')[1]
if status and status ~= ARGV[2] then
  tell(ARGV[1]) -- a second API may have told the newer one first: the forge now shows this one
  return 0
end
redis.call('SREM', key.untold, ARGV[1])
return 1
