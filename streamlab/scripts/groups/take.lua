-- Own partitions of one's target that nobody owns any more.
-- ARGV  1 member id  2 instance id ('': not static)  3 stamp that the member saw last
--       4 an owner epoch that is surely given already (0: none known), then partitions ("orders/3")
-- Returns {the member's new stamp ('': its next heartbeat tells it what it owns), then the owner epoch of each,
--          0 where somebody still owns it, the target changed or the group is paused}.
-- Errors: UNKNOWN_MEMBER, FENCED_INSTANCE.
expire()
local refused = refusal(ARGV[1], ARGV[2])
if refused then return refused end
local wanted, answer, taken = {}, {''}, 0
if not pause() then
  for _, partition in ipairs(cjson.decode(redis.call('HGET', TARGET, ARGV[1]) or '[]')) do wanted[partition] = true end
end
for i = 5, #ARGV do
  local owner = owner_of(ARGV[i])
  if wanted[ARGV[i]] and (not owner or owner == ARGV[1]) then
    local epoch = next_owner_epoch(tonumber(ARGV[4]))
    redis.call('HSET', OWNERS, ARGV[i], ARGV[1] .. ' ' .. text(epoch))
    if not owner then
      local idle = redis.call('HGET', IDLE, ARGV[i])
      redis.call('HDEL', IDLE, ARGV[i])
      local since, before = string.match(idle or '', '^(%S+) (%S+)$')
      moved(ARGV[i], ARGV[1], since and text(NOW - tonumber(since)) or '?', before or '-')
    end
    answer[#answer + 1], taken = epoch, taken + 1
  else
    answer[#answer + 1] = 0
  end
end
answer[1] = taken > 0 and stamp(ARGV[1], ARGV[3]) or ARGV[3]
return answer
