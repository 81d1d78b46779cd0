-- A pass found nothing to remove: remember how far it looked.
-- KEYS  1 meta
-- ARGV  1 log start that the pass was planned with  2 last entry looked at  3 appended bytes up to it
-- Returns 1, or 0 when the log is another one by now.
if redis.call('HGET', KEYS[1], 'start') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'clean', ARGV[2], 'clean_bytes', ARGV[3])
return 1
