-- Forget the group: everything but its commits, which stand beside the partitions, its outbox, which is still to be told
-- (see events/forget.lua), and an assignor that was chosen for it, which is a setting of its name.
-- ARGV  1 who
-- Returns 1. Error: NON_EMPTY_GROUP while it has members.
expire()
if redis.call('HLEN', MEMBERS) > 0 then return redis.error_reply('NON_EMPTY_GROUP it has running members') end
finish('superseded')
tell('group.deleted', {'by', json(ARGV[1])})
local assignor, by = unpack(redis.call('HMGET', META, 'assignor', 'assignor_by'))
redis.call('DEL', META, MEMBERS, LEASES, TARGET, OWNERS, REBALANCE, MOVES, IDLE, INSTANCES, STAMPS)
if assignor and by and by ~= 'member' then redis.call('HSET', META, 'assignor', assignor, 'assignor_by', by) end
return 1
