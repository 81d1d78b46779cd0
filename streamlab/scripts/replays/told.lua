-- The broker's history has heard of it, unless it was announced anew meanwhile.
-- KEYS  1 untold
-- ARGV  1 what  2 when it was announced (ms)
-- Returns 1 when it was taken out, else 0.
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or -1) ~= tonumber(ARGV[2]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
