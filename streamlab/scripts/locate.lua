-- Find the entry that holds an offset, by bisection over append times: offsets rise with ids.
-- KEYS  1 log  2 meta
-- ARGV  1 offset
-- Returns {log start, log end, entry id or '', last append ms}; '' when the offset lies outside the log.
-- Error: UNKNOWN_PARTITION.
local meta = redis.call('HMGET', KEYS[2], 'start', 'end', 'ms')
if not meta[1] then
  return redis.error_reply('UNKNOWN_PARTITION no such partition')
end
local offset = tonumber(ARGV[1])
if offset < tonumber(meta[1]) or offset >= tonumber(meta[2]) then
  return {meta[1], meta[2], '', meta[3]}
end

local function ms_of(id) return tonumber(string.match(id, '^(%d+)-')) end
local function offset_of(id) return tonumber(string.match(id, '-(%d+)$')) end

local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not first then return {meta[1], meta[2], '', meta[3]} end
-- low: smallest ms at which the last entry up to it reaches the offset
local low, high = ms_of(first[1]), ms_of(newest[1])
while low < high do
  local middle = math.floor((low + high) / 2)
  local entry = redis.call('XREVRANGE', KEYS[1], string.format('%.0f', middle), '-', 'COUNT', 1)[1]
  if entry and offset_of(entry[1]) >= offset then high = middle else low = middle + 1 end
end
local found = redis.call('XRANGE', KEYS[1], string.format('%.0f-%.0f', low, offset), '+', 'COUNT', 1)[1]
return {meta[1], meta[2], found and found[1] or '', meta[3]}
