-- Have partitions shared out by another assignor from now on, whatever the members ask for.
-- ARGV  1 assignor  2 who says so
-- Returns {epoch, 1 when it changed}.
expire()
local before = redis.call('HGET', META, 'assignor')
redis.call('HSET', META, 'assignor', ARGV[1], 'assignor_by', ARGV[2])
if before == ARGV[1] then return {epoch_now(), 0} end
if redis.call('HLEN', MEMBERS) == 0 then return {epoch_now(), 1} end
return {next_epoch('assignor', 'the assignor is ' .. ARGV[1] .. ' now'), 1}
