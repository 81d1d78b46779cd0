-- Take what is due; it comes again when it is not settled within the lease.
-- Of what keeps an order only the first of its chain is taken, and that only once its offset is committed: so after a
-- crash nothing that stands before it can come again behind it.
-- ARGV  1 group  2 owner epoch  3 owner  4 at most so many  5 lease in ms  6 look again in so many ms at what has to wait
-- Returns {ms until the next one is due (-1: there is none), records in the queue,
--          then for each: id, turn, planned (ms), losses, chain, record}.
-- Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
local now = server_ms()
local ends, later = string.format('%.0f', now + tonumber(ARGV[5])), string.format('%.0f', now + tonumber(ARGV[6]))
local taken = {-1, redis.call('HLEN', STATE)}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[4])) do
  if redis.call('HEXISTS', LEASES, id) == 1 then lose(id) end -- its lease has run out
  local _, losses, planned, chain = state_of(id)
  if chain ~= '-' and first_of(chain) ~= id then
    park(id, chain, planned)
  elseif chain ~= '-' and tonumber(string.match(id, '^%d+')) >= committed then
    redis.call('ZADD', DUE, later, id)
  else
    local turn = string.format('%.0f', redis.call('HINCRBY', COUNTS, 'turns', 1))
    redis.call('ZADD', DUE, ends, id)
    redis.call('HSET', LEASES, id, turn)
    for _, value in ipairs({id, turn, string.format('%.0f', planned), string.format('%d', losses), chain,
      redis.call('HGET', RECORDS, id)}) do
      taken[#taken + 1] = value
    end
  end
end
local following = redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
if following[2] then taken[1] = math.max(0, tonumber(following[2]) - now) end
return taken
