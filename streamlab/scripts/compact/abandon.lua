-- Give a pass up: what it wrote goes.
-- KEYS  1 meta  2 cleaned
-- ARGV  1 token
-- Returns 1, or 0 when another pass has begun since.
if not its_pass(KEYS[1], ARGV[1]) then return 0 end
redis.call('UNLINK', KEYS[2])
redis.call('HDEL', KEYS[1], 'cleaner')
return 1
