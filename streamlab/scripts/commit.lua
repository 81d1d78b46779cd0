-- Commit a group's position on one partition.
-- KEYS  1 commits  2 meta  3 retry-done and 4 retry-counts of the group
-- ARGV  1 group  2 offset (next to read)  3 id of the entry that holds offset - 1, or '-'
--       4 owner epoch  5 owner  6 metadata  7 steps of delivery/*.lua that it relies on; 0 for who is no worker
-- Returns the commit's server time in ms.
-- Errors: FENCED <newest owner epoch> when another owner has the partition, UNKNOWN_PARTITION;
--         TAKEN_BACK when a failover took some of the steps: what they stored is not there, and would be skipped.
if redis.call('EXISTS', KEYS[2]) == 0 then
  return redis.error_reply('UNKNOWN_PARTITION no such partition')
end
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local before, epoch, owner
if stored then
  before, epoch, owner = string.match(stored, '^(%S+) %S+ %S+ (%S+) (%S+)')
  if tonumber(ARGV[4]) < tonumber(epoch) or (ARGV[4] == epoch and ARGV[5] ~= owner) then
    return redis.error_reply('FENCED ' .. epoch .. ' is the newest owner epoch, not ' .. ARGV[4])
  end
end
if ARGV[7] ~= '0' and tonumber(ARGV[7]) > tonumber(redis.call('HGET', KEYS[4], 'steps') or 0) then
  return redis.error_reply('TAKEN_BACK fewer steps are there than ' .. ARGV[7])
end
-- back to an earlier place: what a worker has settled behind it is wanted again
if before and tonumber(ARGV[2]) < tonumber(before) then redis.call('DEL', KEYS[3]) end
local time = redis.call('TIME')
local ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], ARGV[1], table.concat({ARGV[2], ARGV[3], ms, ARGV[4], ARGV[5], ARGV[6]}, ' '))
return tonumber(ms)
