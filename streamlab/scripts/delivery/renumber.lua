-- The dead letter topic does not know our numbers any more: it was made anew. Begin again under a new producer epoch.
-- ARGV  1 the epoch that failed  2 number of the first letter that is to be sent
-- Returns {epoch, first number} in force now: somebody else may have been faster.
local epoch = redis.call('HGET', COUNTS, 'letter_epoch') or '0'
if epoch == ARGV[1] then
  redis.call('HSET', COUNTS, 'letter_epoch', string.format('%.0f', epoch + 1), 'letter_base', ARGV[2])
end
return redis.call('HMGET', COUNTS, 'letter_epoch', 'letter_base')
