-- Put in front of every delivery script. All keys are of one partition and one group.
-- KEYS  1 commits  2 retry-due  3 retry-records  4 retry-state  5 retry-chain  6 retry-leases  7 retry-done
--       8 retry-outbox  9 retry-counts  10 meta  11 retry-replays
-- An entry's id is "<offset>", or "<offset>r<n>d<dead letter>" for the n-th replay of that record.
-- Its state is "<kind> <losses> <planned> <chain>": kind P is parked behind another; the others have a time: R failed,
-- F never did, it was parked, B is one whose handler has begun; losses: how often a worker died that had it in hand, and since the second one: that had begun with it;
-- planned: when its next attempt is due (server ms; 0: as soon as it is not parked any more);
-- chain "-" keeps no order, "*" that of the partition, else the SHA-1 of the key. Of a chain only the first is leased,
-- and with one that never failed those right behind it that never did either, which are handled after it, one by one.
local COMMITS, DUE, RECORDS, STATE, CHAIN = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local LEASES, DONE, OUTBOX, COUNTS, META, REPLAYS = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]

local function server_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The group's committed offset; an error reply unless this owner has the partition.
local function fenced(group, epoch, owner)
  local stored = redis.call('HGET', COMMITS, group)
  local offset, has, by = '-1', '-', '-'
  if stored then offset, has, by = string.match(stored, '^(%S+) %S+ %S+ (%S+) (%S+)') end
  if has ~= epoch or by ~= owner then
    return nil, redis.error_reply('FENCED owner epoch ' .. epoch .. ' of ' .. owner .. ', the partition is at ' .. has)
  end
  return tonumber(offset)
end

local function link_of(chain, id)
  local offset = string.match(id, '^%d+')
  return chain .. ':' .. string.rep('0', 16 - #offset) .. offset .. ':' .. id
end

local function first_of(chain)
  local found = redis.call('ZRANGEBYLEX', CHAIN, '[' .. chain .. ':', '(' .. chain .. ';', 'LIMIT', 0, 1)[1]
  return found and string.match(found, ':([^:]+)$')
end

-- The owner takes something for stored from now on. When there are fewer such steps than it knows of, a failover has
-- taken some back; commit.lua and who leases look for that.
local function count_step() redis.call('HINCRBY', COUNTS, 'steps', 1) end

-- Known already: in the queue, or settled while the commit has not reached it.
local function known(id)
  return redis.call('HEXISTS', STATE, id) == 1 or redis.call('ZSCORE', DONE, id) ~= false
end

local function state_of(id)
  local kind, losses, planned, chain = string.match(redis.call('HGET', STATE, id), '^(%S) (%d+) (%d+) (%S+)$')
  return kind, tonumber(losses), tonumber(planned), chain
end

local function set_state(id, kind, losses, planned, chain)
  redis.call('HSET', STATE, id, string.format('%s %d %.0f %s', kind, losses, planned, chain))
end

-- It has a time.
local function plan(id, planned, chain, losses, kind)
  redis.call('ZADD', DUE, string.format('%.0f', planned), id)
  set_state(id, kind or 'R', losses or 0, planned, chain)
end

-- Somebody of its chain is before it.
local function park(id, chain, planned, losses)
  set_state(id, 'P', losses or 0, planned, chain)
  redis.call('ZREM', DUE, id)
  redis.call('HINCRBY', COUNTS, 'parked', 1)
end

-- Nobody is before it any more. Returns whether it was parked.
local function unpark(id)
  local kind, losses, planned, chain = state_of(id)
  if kind ~= 'P' then return false end
  redis.call('HINCRBY', COUNTS, 'parked', -1)
  plan(id, math.max(planned, server_ms()), chain, losses, planned == 0 and 'F' or 'R')
  return true
end

local function add(id, chain, record)
  redis.call('HSET', RECORDS, id, record)
  redis.call('HINCRBY', COUNTS, 'bytes', #record)
  if chain ~= '-' then redis.call('ZADD', CHAIN, 0, link_of(chain, id)) end
end

-- Its worker died with it in hand. Who was near one death is only a suspect: from then on it has to be at work.
local function lose(id)
  local kind, losses, planned, chain = state_of(id)
  if kind == 'B' or losses == 0 then losses = losses + 1 end
  set_state(id, kind == 'B' and 'R' or kind, losses, planned, chain)
end

-- It is nobody's any more, and due at once, or parked behind who is before it; no worker died.
local function free(id)
  local kind, losses, planned, chain = state_of(id)
  redis.call('HDEL', LEASES, id)
  if chain ~= '-' and first_of(chain) ~= id then return park(id, chain, kind == 'F' and 0 or planned, losses) end
  if kind == 'B' then set_state(id, 'R', losses, planned, chain) end
  redis.call('ZADD', DUE, 'XX', string.format('%.0f', server_ms()), id)
end

-- Out of the queue. Returns whether somebody was parked behind it, who is due at once.
local function remove(id)
  local chain = string.match(redis.call('HGET', STATE, id), ' (%S+)$')
  redis.call('HINCRBY', COUNTS, 'bytes', -redis.call('HSTRLEN', RECORDS, id))
  redis.call('HDEL', RECORDS, id)
  redis.call('HDEL', STATE, id)
  redis.call('HDEL', LEASES, id)
  redis.call('ZREM', DUE, id)
  if chain == '-' then return false end
  redis.call('ZREM', CHAIN, link_of(chain, id))
  local following = first_of(chain)
  return following and unpark(following)
end

-- Remember that it is settled for as long as the main stream may bring it again.
local function mark_done(id, committed)
  redis.call('ZREMRANGEBYSCORE', DONE, '-inf', string.format('(%.0f', committed))
  local offset = string.match(id, '^(%d+)$')
  if offset and tonumber(offset) >= committed then redis.call('ZADD', DONE, offset, id) end
end

-- What the group's history, or its dead letter topic, is still to be told. '' is nothing.
local function tell(field, event)
  if event ~= '' then redis.call('HSET', OUTBOX, field, event) end
end

-- A dead letter on its way. Returns its number, from which its sequence as a producer's record follows.
local function post(letter)
  local number = redis.call('HINCRBY', COUNTS, 'letters', 1) - 1
  redis.call('HSET', OUTBOX, string.format('L%.0f', number), letter)
  return number
end
