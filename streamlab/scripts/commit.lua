-- Commit a group's position on one partition.
-- KEYS  1 commits  2 meta  3 retry-done of the group
-- ARGV  1 group  2 offset (next to read)  3 id of the entry that holds offset - 1, or '-'
--       4 owner epoch  5 owner  6 metadata
-- Returns the commit's server time in ms.
-- Errors: FENCED <newest owner epoch> when another owner has the partition, UNKNOWN_PARTITION.
if redis.call('EXISTS', KEYS[2]) == 0 then
  return redis.error_reply('UNKNOWN_PARTITION no such partition')
end
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored then
  local offset, epoch, owner = string.match(stored, '^(%S+) %S+ %S+ (%S+) (%S+)')
  if tonumber(ARGV[4]) < tonumber(epoch) or (ARGV[4] == epoch and ARGV[5] ~= owner) then
    return redis.error_reply('FENCED ' .. epoch .. ' is the newest owner epoch, not ' .. ARGV[4])
  end
  -- back to an earlier place: what a worker has settled behind it is wanted again
  if tonumber(ARGV[2]) < tonumber(offset) then redis.call('DEL', KEYS[3]) end
end
local time = redis.call('TIME')
local ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], ARGV[1], table.concat({ARGV[2], ARGV[3], ms, ARGV[4], ARGV[5], ARGV[6]}, ' '))
return tonumber(ms)
