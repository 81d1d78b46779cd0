-- Share the partitions out anew, exactly as it was shown.
-- ARGV  1 epoch that was shown  2 why, in words  3 JSON of the partition counts  4 assignor
--       5 "choose" to keep that assignor from now on, "once", or "load" when it is no operator but the assignor's own
--       wish; then pairs: member id, JSON of partitions
-- Returns the new epoch. Error: STALE_EPOCH when the group moved since.
expire()
if text(epoch_now()) ~= ARGV[1] then
  return redis.error_reply('STALE_EPOCH the group is at epoch ' .. text(epoch_now()) .. ', not at ' .. ARGV[1])
end
if not is_for_all_members(6) then return redis.error_reply('STALE_EPOCH a static member has come back') end
if ARGV[5] == 'choose' then redis.call('HSET', META, 'assignor', ARGV[4], 'assignor_by', 'operator') end
local epoch = next_epoch(ARGV[5] == 'load' and 'load' or 'forced', ARGV[2])
store_target(text(epoch), ARGV[3], ARGV[4], 6)
return epoch
