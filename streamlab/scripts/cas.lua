-- Replace a hash field if it still holds what the caller read.
-- KEYS  1 hash
-- ARGV  1 field  2 value expected ('': absent)  3 new value ('': remove)
-- Returns 1 when it was replaced, 0 when somebody else was faster.
local now = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if now ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
