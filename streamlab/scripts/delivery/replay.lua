-- Put records into the queue from outside: replays of dead letters. The owner finds them when they are due.
-- ARGV  1 forget replays older than this (server ms)  then for each: id, delay in ms, record
-- Returns for each 1, or 0 when this very replay was put in before. Error: UNKNOWN_PARTITION.
if redis.call('EXISTS', META) == 0 then
  return redis.error_reply('UNKNOWN_PARTITION no such partition')
end
redis.call('ZREMRANGEBYSCORE', REPLAYS, '-inf', '(' .. ARGV[1])
local now, answers = server_ms(), {}
for i = 2, #ARGV, 3 do
  local id = ARGV[i]
  local fresh = redis.call('ZADD', REPLAYS, 'NX', string.format('%.0f', now), id)
  if fresh == 1 and redis.call('HEXISTS', STATE, id) == 0 then
    add(id, '-', ARGV[i + 2])
    plan(id, now + tonumber(ARGV[i + 1]), '-')
  end
  answers[#answers + 1] = fresh
end
return answers
