-- Note what a reset is about to commit, so that a member finishes it should its operator die now.
-- ARGV  1 token of the pause  2 JSON of the reset
-- Returns 1. Error: NOT_PAUSED when the pause is over: nothing may be changed any more.
expire()
local paused = pause()
if not paused or paused.token ~= ARGV[1] then return redis.error_reply('NOT_PAUSED the pause is over') end
redis.call('HSET', META, 'operation', ARGV[2])
return 1
