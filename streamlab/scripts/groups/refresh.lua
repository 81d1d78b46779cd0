-- Ask for a new target because the topics changed under the one that stands.
-- ARGV  1 epoch that the caller saw  2 why, in words
-- Returns the epoch now.
if redis.call('HGET', META, 'epoch') ~= ARGV[1] then return epoch_now() end
return next_epoch('partitions', ARGV[2])
