-- Set and unset settings of one entity, if nobody changed it since the caller looked.
-- KEYS  1 version  2 entities  3 the entity's hash  4 events  5 wake channel (a name in the slot, never a key)
-- ARGV  1 entity  2 its type  3 its name  4 its version as the caller knows it ('': any)  5 who  6 why
--       7 entries that the stream of events keeps, then of each change three: name, 'set' or 'unset', value
-- Returns {1 when it was done, the entity's version now, [names of settings that have another value now]}
local known = redis.call('HGET', KEYS[3], '@version') or '0'
if ARGV[4] ~= '' and ARGV[4] ~= known then return { 0, tonumber(known), {} } end

local changes = {}
for i = 8, #ARGV, 3 do
  local name, value = ARGV[i], ARGV[i + 1] == 'set' and ARGV[i + 2] or nil
  local before = redis.call('HGET', KEYS[3], name) or nil
  if before ~= value then changes[#changes + 1] = { name, before, value } end
end
if #changes == 0 then return { 1, tonumber(known), {} } end

local version, names = redis.call('INCR', KEYS[1]), {}
for i, change in ipairs(changes) do
  names[i] = change[1]
  local name, before, value = change[1], change[2], change[3]
  if value then redis.call('HSET', KEYS[3], name, value) else redis.call('HDEL', KEYS[3], name) end
  say_change(KEYS[4], ARGV[7], ARGV[2], ARGV[3], name, before, value, ARGV[5], ARGV[6], version)
end
-- an entity without settings keeps its version: who looked before must see that it was changed
redis.call('HSET', KEYS[3], '@version', string.format('%.0f', version))
if redis.call('HLEN', KEYS[3]) > 1 then
  redis.call('SADD', KEYS[2], ARGV[1])
else
  redis.call('SREM', KEYS[2], ARGV[1])
end
redis.call('PUBLISH', KEYS[5], string.format('%.0f', version))
return { 1, version, names }
