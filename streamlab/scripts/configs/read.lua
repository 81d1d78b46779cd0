-- The settings of some entities as of one moment.
-- KEYS  1 version  2... the entities' hashes
-- Returns {version, [name, value, ...] of the first, ...}
local found = { tonumber(redis.call('GET', KEYS[1]) or '0') }
for i = 2, #KEYS do found[i] = redis.call('HGETALL', KEYS[i]) end
return found
