-- Take what is due; it comes again when it is not settled within the lease.
-- Of what keeps an order only the first of its chain is taken, and where that never failed those parked right behind it
-- that never did either; all of them only once their offsets are committed: so after a crash nothing that stands before
-- one can come again behind it.
-- ARGV  1 group  2 owner epoch  3 owner  4 at most so many  5 lease in ms  6 look again in so many ms at what has to wait
--       7 at most so many that follow another one  8 of one chain
-- Returns {ms until the next one is due (-1: there is none), records in the queue, committed offset (-1: none), steps,
--          then for each, in the order of their chain: id, turn, planned (ms), losses, chain, record,
--          1 when it follows the one before, else 0}.
-- Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
local now = server_ms()
local ends, later = string.format('%.0f', now + tonumber(ARGV[5])), string.format('%.0f', now + tonumber(ARGV[6]))
local room, of_one = tonumber(ARGV[7]), tonumber(ARGV[8])
local taken = {-1, redis.call('HLEN', STATE), committed, tonumber(redis.call('HGET', COUNTS, 'steps') or 0)}

local function is_committed(id) return tonumber(string.match(id, '^%d+')) < committed end

local function take(id, planned, losses, chain, follows)
  local turn = string.format('%.0f', redis.call('HINCRBY', COUNTS, 'turns', 1))
  redis.call('ZADD', DUE, ends, id)
  redis.call('HSET', LEASES, id, turn)
  for _, value in ipairs({id, turn, string.format('%.0f', planned), string.format('%d', losses), chain,
    redis.call('HGET', RECORDS, id), follows}) do
    taken[#taken + 1] = value
  end
end

local function take_followers(first, chain)
  local most = math.min(room, of_one)
  if most <= 0 then return end
  local behind = redis.call('ZRANGEBYLEX', CHAIN, '(' .. link_of(chain, first), '(' .. chain .. ';', 'LIMIT', 0, most)
  for _, link in ipairs(behind) do
    local id = string.match(link, ':([^:]+)$')
    local kind, losses, planned = state_of(id)
    if kind ~= 'P' or losses > 0 or planned > 0 or not is_committed(id) then return end
    redis.call('HINCRBY', COUNTS, 'parked', -1)
    set_state(id, 'F', losses, now, chain)
    take(id, now, losses, chain, '1')
    room = room - 1
  end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[4])) do
  if redis.call('HEXISTS', LEASES, id) == 1 then lose(id) end -- its lease has run out
  local kind, losses, planned, chain = state_of(id)
  if chain ~= '-' and first_of(chain) ~= id then
    redis.call('HDEL', LEASES, id)
    park(id, chain, kind == 'F' and 0 or planned, losses)
  elseif chain ~= '-' and not is_committed(id) then
    redis.call('ZADD', DUE, later, id)
  else
    take(id, planned, losses, chain, '0')
    if kind == 'F' and losses == 0 then take_followers(id, chain) end
  end
end
local following = redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
if following[2] then taken[1] = math.max(0, tonumber(following[2]) - now) end
return taken
