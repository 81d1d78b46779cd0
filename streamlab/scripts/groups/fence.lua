-- An owner epoch for somebody who is no member: a consumer with a manual assignment, or an operator.
-- ARGV  1 why, in words  2 token of a pause, '' without one  3 an owner epoch that is surely given already (0: none known)
-- Returns an owner epoch above all given so far.
-- Errors: NON_EMPTY_GROUP while the group has members, unless it is paused with that token and owns nothing;
--         NOT_PAUSED when the pause is another's or over.
expire()
local members = redis.call('HLEN', MEMBERS)
if ARGV[2] ~= '' then
  local paused = pause()
  if not paused or paused.token ~= ARGV[2] then
    return redis.error_reply('NOT_PAUSED ' .. ARGV[1] .. ': the pause is over')
  end
  if redis.call('HLEN', OWNERS) == 0 then members = 0 end
end
if members > 0 then
  return redis.error_reply('NON_EMPTY_GROUP ' .. ARGV[1] .. ': the group has ' .. members .. ' running member(s)')
end
if redis.call('HEXISTS', META, 'epoch') == 0 then redis.call('HSET', META, 'epoch', 0, 'assigned', 0) end
return next_owner_epoch(tonumber(ARGV[3]))
