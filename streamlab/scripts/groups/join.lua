-- Become a member, or change one's subscription. A static member that comes back gets what it had, without a new epoch.
-- ARGV  1 member id  2 session timeout ms  3 JSON of the member  4 instance id ('': not static)  5 "new" or "again"
-- Returns the group's epoch. Errors, only of "again": UNKNOWN_MEMBER, FENCED_INSTANCE.
expire()
local about = cjson.decode(ARGV[3])
local before = redis.call('HGET', MEMBERS, ARGV[1])
if ARGV[5] == 'again' then
  local refused = refusal(ARGV[1], ARGV[4])
  if refused then return refused end
end
if redis.call('HLEN', MEMBERS) == 0 then
  redis.call('DEL', IDLE) -- what nobody wanted to read did not stand still
  if (redis.call('HGET', META, 'assignor_by') or 'member') == 'member' then -- the first one chooses
    redis.call('HSET', META, 'assignor', about.assignor, 'assignor_by', 'member')
  end
end

local function same_topics(one, other)
  local a, b = cjson.decode(one).topics, cjson.decode(other).topics
  return table.concat(a, ' ') == table.concat(b, ' ')
end

-- Put the new member in the place of the old one.
local function replace(old, new)
  local target = redis.call('HGET', TARGET, old)
  redis.call('HDEL', MEMBERS, old)
  redis.call('ZREM', LEASES, old)
  redis.call('HDEL', TARGET, old)
  redis.call('HDEL', STAMPS, old)
  if target then redis.call('HSET', TARGET, new, target) end
  local owners = redis.call('HGETALL', OWNERS)
  for i = 1, #owners, 2 do
    local owner, epoch = string.match(owners[i + 1], '^(%S+) (%S+)$')
    if owner == old then redis.call('HSET', OWNERS, owners[i], new .. ' ' .. epoch) end
  end
  local moves = redis.call('HGETALL', MOVES)
  for i = 1, #moves, 2 do
    local from, to, done = string.match(moves[i + 1], '^(%S+) (%S+) (%S+)$')
    if to == old then redis.call('HSET', MOVES, moves[i], from .. ' ' .. new .. ' ' .. done) end
  end
end

local holder = ARGV[4] ~= '' and redis.call('HGET', INSTANCES, ARGV[4]) or nil
local replaced = holder and holder ~= ARGV[1] and redis.call('HGET', MEMBERS, holder) or nil
if replaced then
  tell_member('member.left', cjson.decode(replaced), 'fenced')
  replace(holder, ARGV[1])
end
redis.call('HSET', MEMBERS, ARGV[1], ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', INSTANCES, ARGV[4], ARGV[1]) end
renew(ARGV[1], tonumber(ARGV[2]))
if before == ARGV[3] then return epoch_now() end
if not before then tell_member('member.joined', about, replaced and 'static-return' or 'joined') end
if replaced then
  redis.call('HSET', META, 'members', json_list(member_ids()))
  if same_topics(replaced, ARGV[3]) then
    wake()
    return epoch_now()
  end
  return next_epoch('static-return', ARGV[1] .. ' came back with another subscription')
end
if before and same_topics(before, ARGV[3]) then return epoch_now() end -- another session timeout
if before then return next_epoch('subscription', ARGV[1] .. ' changed its subscription') end
return next_epoch('joined', ARGV[1] .. ' joined')
