-- Forget the group: everything but its commits, which stand beside the partitions.
-- Returns 1. Error: NON_EMPTY_GROUP while it has members.
expire()
if redis.call('HLEN', MEMBERS) > 0 then return redis.error_reply('NON_EMPTY_GROUP it has running members') end
redis.call('DEL', META, MEMBERS, LEASES, TARGET, OWNERS, REBALANCE, MOVES, IDLE, INSTANCES, STAMPS, EVENTS)
return 1
