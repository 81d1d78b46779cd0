-- Put in front of every group script.
-- KEYS  1 meta  2 members  3 leases  4 target  5 owners  6 wake channel (a name in the group's slot, never a key)
local META, MEMBERS, LEASES, TARGET, OWNERS, WAKE = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]

local function server_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function wake()
  redis.call('PUBLISH', WAKE, '1')
end

-- A new epoch asks the members for a new target assignment.
local function next_epoch(cause)
  local epoch = redis.call('HINCRBY', META, 'epoch', 1)
  redis.call('HSET', META, 'cause', cause, 'since', string.format('%.0f', server_ms()))
  wake()
  return epoch
end

local function owner_of(partition)
  local owner = redis.call('HGET', OWNERS, partition)
  return owner and string.match(owner, '^(%S+)') or nil
end

local function remove_member(member)
  redis.call('HDEL', MEMBERS, member)
  redis.call('ZREM', LEASES, member)
  redis.call('HDEL', TARGET, member)
  local owners = redis.call('HGETALL', OWNERS)
  for i = 1, #owners, 2 do
    if string.match(owners[i + 1], '^(%S+)') == member then redis.call('HDEL', OWNERS, owners[i]) end
  end
end

-- Idle members are dead: whoever calls next buries them.
local function expire()
  local dead = redis.call('ZRANGEBYSCORE', LEASES, '-inf', string.format('%.0f', server_ms()))
  for _, member in ipairs(dead) do remove_member(member) end
  if #dead > 0 then next_epoch('lease of ' .. table.concat(dead, ', ') .. ' expired') end
end

local function renew(member, session_ms)
  redis.call('ZADD', LEASES, string.format('%.0f', server_ms() + session_ms), member)
end
