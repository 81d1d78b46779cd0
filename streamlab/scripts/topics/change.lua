-- Change a topic's entry in the registry if it still is what the caller read, and say so.
-- KEYS  1 registry of topics  2 outbox of the registry (its hash tag is the registry's name: one slot)
-- ARGV  1 topic  2 entry expected ('': absent)  3 new entry ('': remove)  4 type of the event ('': none)  5 its data
--       6 events that the outbox keeps, about
-- Returns 1 when it was changed, 0 when somebody else was faster.
local now = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if now ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
if ARGV[4] ~= '' then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*', 'type', ARGV[4], 'data', ARGV[5])
end
return 1
