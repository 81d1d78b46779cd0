-- An owner epoch for somebody who is no member: a consumer with a manual assignment, or an operator.
-- ARGV  1 why, in words
-- Returns an owner epoch above all given so far. Error: NON_EMPTY_GROUP while the group has members.
expire()
local members = redis.call('HLEN', MEMBERS)
if members > 0 then
  return redis.error_reply('NON_EMPTY_GROUP ' .. ARGV[1] .. ': the group has ' .. members .. ' running member(s)')
end
if redis.call('HEXISTS', META, 'epoch') == 0 then redis.call('HSET', META, 'epoch', 0, 'assigned', 0) end
return redis.call('HINCRBY', META, 'owner_seq', 1)
