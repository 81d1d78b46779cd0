-- A new owner begins: leases of the owner before return. What is in the queue it reads afterwards: from now on nobody
-- else changes that, but for replays that come in.
-- ARGV  1 group  2 owner epoch  3 owner
-- Returns {committed offset (-1: none), ids settled from there on, outbox (flat hash), leases that returned,
--          records in the queue, {epoch, first number} of the letters' numbering, steps}. Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
local now = string.format('%.0f', server_ms())
local leased = redis.call('HKEYS', LEASES)
for _, id in ipairs(leased) do
  redis.call('ZADD', DUE, 'XX', now, id)
  lose(id)
end
if #leased > 0 then redis.call('DEL', LEASES) end

local skip = redis.call('ZRANGEBYSCORE', DONE, string.format('%.0f', committed), '+inf')
return {string.format('%.0f', committed), skip, redis.call('HGETALL', OUTBOX), #leased, redis.call('HLEN', STATE),
  redis.call('HMGET', COUNTS, 'letter_epoch', 'letter_base'), tonumber(redis.call('HGET', COUNTS, 'steps') or 0)}
