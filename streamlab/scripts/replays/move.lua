-- Move a replay job from one state to another, if it is still there.
-- KEYS  1 job
-- ARGV  1 states that it may come from, separated by commas  2 state that it goes to  then fields and values to set
-- Returns {1 when it was moved, else 0, the state that it was in ('' : there is no such job)}.
local state = redis.call('HGET', KEYS[1], 'state') or ''
if not string.find(',' .. ARGV[1] .. ',', ',' .. state .. ',', 1, true) then return {0, state} end
redis.call('HSET', KEYS[1], 'state', ARGV[2])
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return {1, state}
