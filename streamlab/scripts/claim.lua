-- Take a partition for a group's member: from now on only this owner epoch may commit.
-- KEYS  1 commits  2 meta
-- ARGV  1 group  2 owner epoch  3 owner (member id)
-- Returns the group's commit as stored now.
-- Errors: FENCED <newest owner epoch> when a newer owner is there already, UNKNOWN_PARTITION.
if redis.call('EXISTS', KEYS[2]) == 0 then
  return redis.error_reply('UNKNOWN_PARTITION no such partition')
end
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local offset, entry, ms, epoch, before, metadata = '-1', '-', '0', '0', '-', ''
if stored then
  offset, entry, ms, epoch, before, metadata = string.match(stored, '^(%S+) (%S+) (%S+) (%S+) (%S+) (.*)$')
end
if tonumber(ARGV[2]) < tonumber(epoch) then
  return redis.error_reply('FENCED ' .. epoch .. ' is the newest owner epoch, ' .. ARGV[2] .. ' is older')
end
local now = table.concat({offset, entry, ms, ARGV[2], ARGV[3], metadata}, ' ')
redis.call('HSET', KEYS[1], ARGV[1], now)
return now
