-- A new owner begins: leases of the owner before return, and it learns what the main stream must not do again.
-- ARGV  1 group  2 owner epoch  3 owner
-- Returns {committed offset (-1: none), ids in the queue and settled ids from there on, chains that are not empty,
--          outbox (flat hash), leases that returned, records in the queue,
--          {epoch, first number} of the letters' numbering}. Error: FENCED.
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
local chains, seen = {}, {}
local states = redis.call('HGETALL', STATE)
for i = 1, #states, 2 do
  local offset = string.match(states[i], '^(%d+)$')
  if offset and tonumber(offset) >= committed then skip[#skip + 1] = states[i] end
  local chain = string.match(states[i + 1], ' (%S+)$')
  if chain ~= '-' and not seen[chain] then
    seen[chain] = true
    chains[#chains + 1] = chain
  end
end
return {string.format('%.0f', committed), skip, chains, redis.call('HGETALL', OUTBOX), #leased, #states / 2,
  redis.call('HMGET', COUNTS, 'letter_epoch', 'letter_base')}
