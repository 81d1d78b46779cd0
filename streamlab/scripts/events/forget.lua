-- Forget the outbox of a group that was deleted, once all of it was carried on.
-- KEYS  1 meta of the group  2 its outbox  3 id of the last entry that was carried
-- Returns 1 when nothing is left, 0 when there is more to carry, -1 when there is such a group again, whose outbox it is.
if redis.call('HEXISTS', KEYS[1], 'epoch') == 1 then return -1 end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if newest and newest[1] ~= redis.call('GET', KEYS[3]) then return 0 end
redis.call('DEL', KEYS[2], KEYS[3])
return 1
