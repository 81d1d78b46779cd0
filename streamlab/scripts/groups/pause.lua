-- Have all members finish, commit, give everything up and take nothing, until somebody resumes the group.
-- ARGV  1 token  2 who  3 why, in words  4 for how many ms unless it is renewed (0: without an end)
--       5 "renew" to go on with one's own pause only, else "new"
-- Returns 1. Errors: PAUSED when somebody else paused it, NOT_PAUSED when there is nothing to renew.
expire()
local paused = pause()
if paused and paused.token ~= ARGV[1] then
  return redis.error_reply('PAUSED by ' .. paused.by .. ': ' .. paused.reason)
end
if not paused and ARGV[5] == 'renew' then return redis.error_reply('NOT_PAUSED the pause is over') end
local ends = tonumber(ARGV[4])
redis.call('HSET', META, 'paused', '{"token":' .. json(ARGV[1]) .. ',"by":' .. json(ARGV[2])
  .. ',"reason":' .. json(ARGV[3]) .. ',"since_ms":' .. text(paused and paused.since_ms or NOW)
  .. ',"until_ms":' .. text(ends > 0 and NOW + ends or 0) .. '}')
if not paused then
  tell('group.paused', {'by', json(ARGV[2]), 'reason', json(ARGV[3])})
  wake()
end
return 1
