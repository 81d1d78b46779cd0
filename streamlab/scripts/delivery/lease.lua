-- Take what is due; it comes again when it is not settled within the lease.
-- ARGV  1 group  2 owner epoch  3 owner  4 at most so many  5 lease in ms
-- Returns {ms until the next one is due (-1: there is none), records in the queue,
--          then for each: id, turn, due (ms), losses, chain, record}.
-- Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
local now = server_ms()
local taken = {-1, redis.call('HLEN', STATE)}
local due = redis.call('ZRANGEBYSCORE', DUE, '-inf', string.format('%.0f', now), 'WITHSCORES', 'LIMIT', 0, ARGV[4])
local ends = string.format('%.0f', now + tonumber(ARGV[5]))
for i = 1, #due, 2 do
  local turn = string.format('%.0f', redis.call('HINCRBY', COUNTS, 'turns', 1))
  local id = due[i]
  if redis.call('HEXISTS', LEASES, id) == 1 then lose(id) end -- its lease has run out
  redis.call('ZADD', DUE, ends, id)
  redis.call('HSET', LEASES, id, turn)
  local losses, chain = string.match(redis.call('HGET', STATE, id), '^%S (%d+) (%S+)$')
  for _, value in ipairs({id, turn, due[i + 1], losses, chain, redis.call('HGET', RECORDS, id)}) do
    taken[#taken + 1] = value
  end
end
local following = redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
if following[2] then taken[1] = math.max(0, tonumber(following[2]) - now) end
return taken
