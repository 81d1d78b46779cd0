-- Remove one partition of a topic that is being deleted, unless it is another by now: somebody else has finished the
-- deletion, and made the topic anew.
-- KEYS  1 meta, then all else that belongs to the partition
-- ARGV  1 when the partition was made, as init.lua noted it ('': there was none)
-- Returns 1 when it was removed, else 0.
if (redis.call('HGET', KEYS[1], 'made') or '') ~= ARGV[1] then return 0 end
for _, key in ipairs(KEYS) do redis.call('UNLINK', key) end
return 1
