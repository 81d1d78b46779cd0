-- Leased retries that were not begun: due again at once.
-- ARGV  1 group  2 owner epoch  3 owner  then pairs: id, turn
-- Returns how many. Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
local now, given = string.format('%.0f', server_ms()), 0
for i = 4, #ARGV, 2 do
  if redis.call('HGET', LEASES, ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', LEASES, ARGV[i])
    redis.call('ZADD', DUE, 'XX', now, ARGV[i])
    given = given + 1
  end
end
return given
