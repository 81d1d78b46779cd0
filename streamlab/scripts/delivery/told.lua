-- What was in the outbox is where it belongs: take it out, unless something else has its field by now.
-- ARGV  pairs: field of the outbox, SHA-1 of what was carried
-- Returns how many were there.
local there = 0
for i = 1, #ARGV, 2 do
  local packed = redis.call('HGET', OUTBOX, ARGV[i])
  if packed and redis.sha1hex(packed) == ARGV[i + 1] then
    there = there + redis.call('HDEL', OUTBOX, ARGV[i])
  end
end
return there
