-- Say which load is wanted, if nobody else has since.
-- KEYS  1 loads
-- ARGV  1 name  2 what is stored as the caller knows it ('' nothing)  3 what shall be ('' nothing)  4 most loads
-- Returns 'OK', 'MOVED' when something else is stored, 'FULL' when there are as many loads as may be.
local stored = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if stored ~= ARGV[2] then return 'MOVED' end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return 'OK'
end
if stored == '' and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return 'FULL' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 'OK'
