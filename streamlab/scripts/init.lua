-- Make a partition exist, empty. Does nothing to one that exists.
-- KEYS  1 meta
-- Returns 1 when it was made now, else 0.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'end', '0', 'start', '0', 'ms', '0', 'bytes', '0', 'trimmed', '0',
  'made', time[1] .. '.' .. time[2]) -- tells it from one of the same name that was deleted
return 1
