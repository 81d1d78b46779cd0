-- Begin a pass; what an earlier one left behind goes.
-- KEYS  1 meta  2 cleaned
-- ARGV  1 token  2 log start that the pass was planned with
-- Returns 1. Errors: UNKNOWN_PARTITION, FRONT_MOVED when something was removed since.
local start = redis.call('HGET', KEYS[1], 'start')
if not start then return redis.error_reply('UNKNOWN_PARTITION no such partition') end
if start ~= ARGV[2] then return redis.error_reply('FRONT_MOVED to ' .. start) end
redis.call('UNLINK', KEYS[2])
save_pass(KEYS[1], ARGV[1], {covered = tonumber(start) - 1, bytes = 0})
return 1
