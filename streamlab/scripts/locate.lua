-- Find the entry that holds an offset, by bisection over append times: offsets rise with ids.
-- KEYS  1 log  2 meta
-- ARGV  1 offset  2 id of an entry that was read before ('': none)
-- Returns {log start, log end, entry id or '', last append ms, cut}; '' when the offset lies outside the log.
--   cut: the offset from which on the log is not the one any more in which entry ARGV[2] stood; '' when it is.
-- Error: UNKNOWN_PARTITION.
--
-- A server that takes over, or comes back, may have less than was there before. Then entries are missing from some
-- offset on, and others are appended in their place. append.lua notes where each server went on: `cuts`, as
-- offset@ms of the last entry that was left. An entry that is missing was cut off by the last of them that does not
-- lie behind it, in offset and in time. Retention and compaction remove entries, too, but only such as lie before
-- `start` and `clean`.
local meta = redis.call('HMGET', KEYS[2], 'start', 'end', 'ms', 'cuts', 'clean')
if not meta[1] then
  return redis.error_reply('UNKNOWN_PARTITION no such partition')
end

local function ms_of(id) return tonumber(string.match(id, '^(%d+)-')) end
local function offset_of(id) return tonumber(string.match(id, '-(%d+)$')) end

local function cut_before(id)
  local last, ms = offset_of(id), ms_of(id)
  if last < tonumber(meta[1]) or (meta[5] and last <= offset_of(meta[5])) then return '' end
  if redis.call('XRANGE', KEYS[1], id, id)[1] then return '' end
  if last >= tonumber(meta[2]) and ms >= tonumber(meta[3]) then return meta[2] end
  local cut = last >= tonumber(meta[2]) and meta[2] or ''
  for at, at_ms in string.gmatch(meta[4] or '', '(%d+)@(%d+)') do
    if tonumber(at) <= last and tonumber(at_ms) <= ms then cut = at end
  end
  return cut
end

local cut = ARGV[2] and ARGV[2] ~= '' and cut_before(ARGV[2]) or ''
local offset = tonumber(ARGV[1])
if cut ~= '' or offset < tonumber(meta[1]) or offset >= tonumber(meta[2]) then
  return {meta[1], meta[2], '', meta[3], cut}
end

local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not first then return {meta[1], meta[2], '', meta[3], ''} end
-- low: smallest ms at which the last entry up to it reaches the offset
local low, high = ms_of(first[1]), ms_of(newest[1])
while low < high do
  local middle = math.floor((low + high) / 2)
  local entry = redis.call('XREVRANGE', KEYS[1], string.format('%.0f', middle), '-', 'COUNT', 1)[1]
  if entry and offset_of(entry[1]) >= offset then high = middle else low = middle + 1 end
end
local found = redis.call('XRANGE', KEYS[1], string.format('%.0f-%.0f', low, offset), '+', 'COUNT', 1)[1]
return {meta[1], meta[2], found and found[1] or '', meta[3], ''}
