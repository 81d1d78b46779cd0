-- Leased retries that are given up, begun or not, by a worker that lives: due again at once.
-- ARGV  1 group  2 owner epoch  3 owner  then pairs: id, turn
-- Returns how many. Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
count_step()
local given = 0
for i = 4, #ARGV, 2 do
  if redis.call('HGET', LEASES, ARGV[i]) == ARGV[i + 1] then
    free(ARGV[i])
    given = given + 1
  end
end
return given
