-- Own partitions of one's target that nobody owns any more.
-- ARGV  1 member id, then partitions ("orders/3")
-- Returns the owner epoch of each, 0 where somebody still owns it or the target changed. Error: UNKNOWN_MEMBER.
expire()
if redis.call('HEXISTS', MEMBERS, ARGV[1]) == 0 then
  return redis.error_reply('UNKNOWN_MEMBER ' .. ARGV[1] .. ' is not in the group: its session ran out')
end
local wanted = {}
for _, partition in ipairs(cjson.decode(redis.call('HGET', TARGET, ARGV[1]) or '[]')) do wanted[partition] = true end
local epochs = {}
for i = 2, #ARGV do
  local owner = owner_of(ARGV[i])
  if wanted[ARGV[i]] and (not owner or owner == ARGV[1]) then
    local epoch = redis.call('HINCRBY', META, 'owner_seq', 1)
    redis.call('HSET', OWNERS, ARGV[i], ARGV[1] .. ' ' .. string.format('%.0f', epoch))
    epochs[#epochs + 1] = epoch
  else
    epochs[#epochs + 1] = 0
  end
end
return epochs
