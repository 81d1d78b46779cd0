-- Put in front of every group script.
-- KEYS  1 meta  2 members  3 leases  4 target  5 owners  6 rebalance (the one under way)  7 moves (its partitions)
--       8 idle (partitions that nobody owns: since when, whose they were)  9 instances (static members)
--       10 stamps (each member's last change of ownership)  11 events (the outbox)
--       12 wake channel (a name in the group's slot, never a key)
-- Errors begin with a code: UNKNOWN_MEMBER, FENCED_INSTANCE, NON_EMPTY_GROUP, STALE_EPOCH, NOT_PAUSED, PAUSED.
local META, MEMBERS, LEASES, TARGET, OWNERS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local REBALANCE, MOVES, IDLE, INSTANCES, STAMPS = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local EVENTS, WAKE = KEYS[11], KEYS[12]
local GROUP = string.match(META, '^sl:{group:(.*)}:meta$')
local KEPT_EVENTS, KEPT_BYTES, KEPT_AT_LEAST = 1000, 4000000, 50

local time = redis.call('TIME')
local NOW = time[1] * 1000 + math.floor(time[2] / 1000)

local function text(number) return string.format('%.0f', number) end

local function json(value)
  if value == nil then return 'null' end
  return cjson.encode(value)
end

local function json_list(items) -- cjson takes an empty table for an object
  return #items == 0 and '[]' or cjson.encode(items)
end

-- An entry for the outbox. Fields: name, JSON text, name, JSON text, … Where entries are long, fewer are kept.
local function tell(type, fields)
  local parts = {'"group":' .. json(GROUP), '"at_ms":' .. text(NOW)}
  for i = 1, #fields, 2 do parts[#parts + 1] = json(fields[i]) .. ':' .. fields[i + 1] end
  local data = '{' .. table.concat(parts, ',') .. '}'
  local kept = math.max(KEPT_AT_LEAST, math.min(KEPT_EVENTS, math.floor(KEPT_BYTES / #data)))
  redis.call('XADD', EVENTS, 'MAXLEN', '~', kept, '*', 'type', type, 'data', data)
end

local function wake()
  redis.call('PUBLISH', WAKE, '1')
end

local function epoch_now() return tonumber(redis.call('HGET', META, 'epoch') or '0') end

local function member_ids()
  local ids = redis.call('HKEYS', MEMBERS)
  table.sort(ids)
  return ids
end

-- The rebalance under way, if there is one, becomes one entry of the outbox.
local function finish(outcome)
  local raw = redis.call('HGETALL', REBALANCE)
  if #raw == 0 then return end
  local its, moved = {}, {}
  for i = 1, #raw, 2 do its[raw[i]] = raw[i + 1] end
  local moves = redis.call('HGETALL', MOVES)
  for i = 1, #moves, 2 do
    local from, to, standstill = string.match(moves[i + 1], '^(%S+) (%S+) (%S+)$')
    local topic, number = string.match(moves[i], '^(.*)/(%d+)$')
    moved[#moved + 1] = '{"topic":' .. json(topic) .. ',"partition":' .. number
      .. ',"before":' .. (from == '-' and 'null' or json(from))
      .. ',"after":' .. (to == '-' and 'null' or json(to))
      .. ',"standstill_ms":' .. (tonumber(standstill) and standstill or 'null') .. '}'
  end
  table.sort(moved)
  tell('group.rebalanced', {'epoch', its.epoch, 'cause', json(its.cause), 'words', json(its.words),
    'assignor', json(its.assignor), 'started_ms', its.since, 'members_before', its.before,
    'members_after', its.after, 'moved', '[' .. table.concat(moved, ',') .. ']',
    'took_ms', text(NOW - its.since), 'outcome', json(outcome)})
  redis.call('DEL', REBALANCE, MOVES)
end

-- A new epoch asks the members for a new target assignment.
local function next_epoch(cause, words)
  finish('superseded')
  local epoch = redis.call('HINCRBY', META, 'epoch', 1)
  local before, after = redis.call('HGET', META, 'members') or '[]', json_list(member_ids())
  redis.call('HSET', META, 'cause', words, 'since', text(NOW), 'members', after)
  redis.call('HSET', REBALANCE, 'epoch', text(epoch), 'cause', cause, 'words', words, 'since', text(NOW),
    'before', before, 'after', after)
  if after == '[]' then finish('finished') end -- nobody is left who would take anything
  wake()
  return epoch
end

-- Above all that were given; the first is a time, so that a zombie of a deleted group of that name has an older one.
-- `known`: one that a partition has seen, and the group may have forgotten in a failover.
local function next_owner_epoch(known)
  local given = math.max(tonumber(redis.call('HGET', META, 'owner_seq') or text(NOW)), known)
  redis.call('HSET', META, 'owner_seq', text(given + 1))
  return given + 1
end

local function owner_of(partition)
  local owner = redis.call('HGET', OWNERS, partition)
  return owner and string.match(owner, '^(%S+)') or nil
end

-- A new stamp says that what the member owns changed. Who has not seen the last change gets none, so that its next
-- heartbeat tells it all that it owns.
local function stamp(member, seen)
  local stored = redis.call('HGET', STAMPS, member) or ''
  local fresh = text(NOW) .. '-' .. text(redis.call('HINCRBY', META, 'stamps', 1))
  redis.call('HSET', STAMPS, member, fresh)
  return seen == stored and fresh or ''
end

-- One partition of the rebalance under way is where it should be. It may have been taken by the target of the epoch
-- before, while there is none for this one: then `before` had it.
local function moved(partition, member, standstill, before)
  local move = redis.call('HGET', MOVES, partition)
  if not move then
    if before and redis.call('EXISTS', REBALANCE) == 1 then
      redis.call('HSET', MOVES, partition, before .. ' ' .. member .. ' ' .. standstill)
    end
    return
  end
  local from, to, done = string.match(move, '^(%S+) (%S+) (%S+)$')
  if done ~= '-' or to ~= member then return end
  redis.call('HSET', MOVES, partition, from .. ' ' .. to .. ' ' .. standstill)
  if redis.call('HINCRBY', REBALANCE, 'open', -1) == 0 then finish('finished') end
end

-- Nobody owns the partition from `since` on.
local function disown(partition, member, since)
  redis.call('HDEL', OWNERS, partition)
  redis.call('HSET', IDLE, partition, text(since) .. ' ' .. member)
end

local function tell_member(type, about, cause)
  tell(type, {'member', json(about.member_id), 'client_id', json(about.client_id), 'host', json(about.host),
    'instance_id', json(about.instance_id), 'epoch', text(epoch_now() + 1), 'cause', json(cause)})
end

-- `since`: when it was last heard of.
local function remove_member(member, cause, since)
  local about = cjson.decode(redis.call('HGET', MEMBERS, member) or '{}')
  about.member_id = member
  tell_member('member.left', about, cause)
  redis.call('HDEL', MEMBERS, member)
  redis.call('ZREM', LEASES, member)
  redis.call('HDEL', TARGET, member)
  redis.call('HDEL', STAMPS, member)
  if type(about.instance_id) == 'string' and redis.call('HGET', INSTANCES, about.instance_id) == member then
    redis.call('HDEL', INSTANCES, about.instance_id)
  end
  local owners = redis.call('HGETALL', OWNERS)
  for i = 1, #owners, 2 do
    if string.match(owners[i + 1], '^(%S+)') == member then disown(owners[i], member, since) end
  end
end

local function pause()
  local stored = redis.call('HGET', META, 'paused')
  return stored and cjson.decode(stored) or nil
end

-- `did`: JSON of a reset.
local function tell_reset(did)
  local its = cjson.decode(did)
  tell('offsets.reset', {'positions', json_list(its.positions), 'strategy', json(its.strategy),
    'repeated', json(its.repeated), 'skipped', json(its.skipped), 'by', json(its.by)})
end

local function resume(by, why)
  local paused = pause()
  redis.call('HDEL', META, 'paused')
  tell('group.resumed', {'by', json(by), 'reason', json(why), 'paused_ms', text(NOW - paused.since_ms)})
  wake()
end

-- Silent members are dead, and who paused the group for a time and did not come back has lost the pause: whoever
-- calls next sees to it. What a reset has begun to commit is finished by a member first (see heartbeat.lua).
local function expire()
  local dead = redis.call('ZRANGEBYSCORE', LEASES, '-inf', text(NOW), 'WITHSCORES')
  local names = {}
  for i = 1, #dead, 2 do
    local about = cjson.decode(redis.call('HGET', MEMBERS, dead[i]) or '{}')
    remove_member(dead[i], 'expired', tonumber(dead[i + 1]) - (about.session_timeout_ms or 0))
    names[#names + 1] = dead[i]
  end
  if #names > 0 then next_epoch('expired', 'lease of ' .. table.concat(names, ', ') .. ' expired') end
  local paused = pause()
  if paused and paused.until_ms > 0 and paused.until_ms <= NOW
    and redis.call('HEXISTS', META, 'operation') == 0 then
    resume(paused.by, 'nobody renewed the pause')
  end
end

local function renew(member, session_ms)
  redis.call('ZADD', LEASES, text(NOW + session_ms), member)
end

-- Whether this member is (still) one. Returns an error reply, or nil.
local function refusal(member, instance)
  if instance ~= '' then
    local holder = redis.call('HGET', INSTANCES, instance)
    if holder and holder ~= member then
      return redis.error_reply('FENCED_INSTANCE ' .. instance .. ' is ' .. holder .. ' now')
    end
  end
  if redis.call('HEXISTS', MEMBERS, member) == 0 then
    return redis.error_reply('UNKNOWN_MEMBER ' .. member .. ' is not in the group: its session ran out')
  end
end

-- Whether a target is one for the members that there are. A static member that comes back has another id, in the same
-- epoch: what was to be its predecessor's nobody would ever take.
local function is_for_all_members(first)
  for i = first, #ARGV, 2 do
    if redis.call('HEXISTS', MEMBERS, ARGV[i]) == 0 then return false end
  end
  return (#ARGV - first + 1) / 2 == redis.call('HLEN', MEMBERS)
end

-- The target of an epoch: ARGV from `first` on is member id, JSON of partitions, member id, …
local function store_target(epoch, counts, assignor, first)
  redis.call('DEL', TARGET)
  local held, wanted, open, paused = {}, {}, 0, pause()
  local owners = redis.call('HGETALL', OWNERS)
  for i = 1, #owners, 2 do held[owners[i]] = string.match(owners[i + 1], '^(%S+)') end
  for i = first, #ARGV, 2 do
    redis.call('HSET', TARGET, ARGV[i], ARGV[i + 1])
    for _, partition in ipairs(cjson.decode(ARGV[i + 1])) do
      wanted[partition] = true
      if held[partition] ~= ARGV[i] then
        local idle = redis.call('HGET', IDLE, partition)
        local from = held[partition] or (idle and string.match(idle, '^%S+ (%S+)$')) or '-'
        if not (paused and from == ARGV[i]) then -- it comes back to where it was
          redis.call('HSET', MOVES, partition, from .. ' ' .. ARGV[i] .. ' -')
          open = open + 1
        end
      end
    end
  end
  for partition, owner in pairs(held) do
    if not wanted[partition] then
      redis.call('HSET', MOVES, partition, owner .. ' - -')
      open = open + 1
    end
  end
  redis.call('HSET', META, 'assigned', epoch, 'counts', counts, 'assigned_by', assignor)
  redis.call('HSET', REBALANCE, 'assignor', assignor, 'open', open)
  if open == 0 then finish('finished') end
  wake()
end
