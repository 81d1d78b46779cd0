-- Hold a lease: take it when it is free, renew it when it is one's own, give it back.
-- KEYS  1 lease
-- ARGV  1 holder  2 how long in ms (0: give it back)
-- Returns the holder now, '' when there is none.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
  return ''
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
