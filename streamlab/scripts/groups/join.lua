-- Become a member, or change one's subscription.
-- ARGV  1 member id  2 session timeout ms  3 JSON of the member
-- Returns the group's epoch.
expire()
local before = redis.call('HGET', MEMBERS, ARGV[1])
redis.call('HSET', MEMBERS, ARGV[1], ARGV[3])
renew(ARGV[1], tonumber(ARGV[2]))
if before == ARGV[3] then return tonumber(redis.call('HGET', META, 'epoch')) end
return next_epoch(ARGV[1] .. (before and ' changed its subscription' or ' joined'))
