-- Give up a claim, so that the next attempt may begin at once.
-- KEYS  1 the id's key
-- ARGV  1 token of the caller
-- Returns 1 when the claim was this caller's, else 0.
local stored = redis.call('GET', KEYS[1])
if not stored or string.match(stored, '^%S+') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
