-- Store the target assignment of an epoch: the first to compute it wins.
-- ARGV  1 epoch  2 JSON of the partition counts it was made with  3 assignor, then pairs: member id, JSON of partitions
-- Returns 1 when stored, 0 when the epoch moved on or has its target, or a member has another id by now.
expire()
local meta = redis.call('HMGET', META, 'epoch', 'assigned')
if meta[1] ~= ARGV[1] or meta[2] == ARGV[1] or not is_for_all_members(4) then return 0 end
store_target(ARGV[1], ARGV[2], ARGV[3], 4)
return 1
