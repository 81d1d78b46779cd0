-- End a pause.
-- ARGV  1 token ('': whoever's it is)  2 who  3 why, in words  4 JSON of what a reset did ('': none did)
-- Returns 1 when it was paused (with that token), else 0.
-- Error: RESETTING when a reset has begun to commit and is not the caller's.
expire()
local paused = pause()
if not paused or (ARGV[1] ~= '' and paused.token ~= ARGV[1]) then return 0 end
if ARGV[4] == '' and redis.call('HEXISTS', META, 'operation') == 1 then
  return redis.error_reply('RESETTING ' .. paused.by .. ' resets the offsets of the group')
end
if ARGV[4] ~= '' then tell_reset(ARGV[4]) end
redis.call('HDEL', META, 'operation')
resume(ARGV[2], ARGV[3])
return 1
