-- A pass found nothing to remove: remember how far it looked, and end it.
-- KEYS  1 meta
-- ARGV  1 token  2 last entry looked at  3 appended bytes up to it
-- Returns 1. Error: CLEANER_FENCED.
if not its_pass(KEYS[1], ARGV[1]) then return redis.error_reply('CLEANER_FENCED another pass has begun') end
redis.call('HDEL', KEYS[1], 'cleaner')
redis.call('HSET', KEYS[1], 'clean', ARGV[2], 'clean_bytes', ARGV[3])
return 1
