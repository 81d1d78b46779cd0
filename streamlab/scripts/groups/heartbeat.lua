-- Stay a member, and look at what the group wants of this member.
-- ARGV  1 member id  2 session timeout ms
-- Returns {epoch, assigned epoch, JSON of this member's target, JSON of the partition counts it was made with,
--          assignor, members (flat hash, only while a target is missing), owners (likewise)}.
-- Error: UNKNOWN_MEMBER.
expire()
if redis.call('HEXISTS', MEMBERS, ARGV[1]) == 0 then
  return redis.error_reply('UNKNOWN_MEMBER ' .. ARGV[1] .. ' is not in the group: its session ran out')
end
renew(ARGV[1], tonumber(ARGV[2]))
local meta = redis.call('HMGET', META, 'epoch', 'assigned', 'counts', 'assignor')
local assigned = meta[2] or '0'
local members, owners = {}, {}
if meta[1] ~= assigned then
  members, owners = redis.call('HGETALL', MEMBERS), redis.call('HGETALL', OWNERS)
end
return {meta[1], assigned, redis.call('HGET', TARGET, ARGV[1]) or '[]', meta[3] or '{}', meta[4] or '', members, owners}
