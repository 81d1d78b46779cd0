-- Hold leases for longer.
-- ARGV  1 group  2 owner epoch  3 owner  4 lease in ms, from now  then pairs: id, turn
-- Returns how many are still held. Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
local ends, held = string.format('%.0f', server_ms() + tonumber(ARGV[4])), 0
for i = 5, #ARGV, 2 do
  if redis.call('HGET', LEASES, ARGV[i]) == ARGV[i + 1] then
    redis.call('ZADD', DUE, 'XX', ends, ARGV[i])
    held = held + 1
  end
end
return held
