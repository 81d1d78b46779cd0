-- The ids of a stream's newest entries, without what the entries hold: they may be large, and are another program's.
-- Reads only.
--
-- KEYS[1]  any stream
-- ARGV[1]  how many, at most
-- Returns the ids, newest first.
local ids = {}
for i, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1])) do
  ids[i] = entry[1]
end
return ids
