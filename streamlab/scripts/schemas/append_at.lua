-- Append one record batch to a partition if its log ends where the caller believes it does: compare and append.
-- KEYS  1 log  2 meta  3 outbox of the registry
-- ARGV  1 expected log end  2 number of records  3 the batch
--       4 type of the event that tells of it ('': none)  5 its data  6 events that the outbox keeps, about
-- Returns {base offset, append ms}.
-- Errors: UNKNOWN_PARTITION; CONFLICT somebody appended since.
-- Offsets and ids are written with %.0f: Lua's tostring loses digits above 1e14. The entry is as append.lua writes it.
local meta = redis.call('HMGET', KEYS[2], 'end', 'ms', 'bytes')
if not meta[1] then
  return redis.error_reply('UNKNOWN_PARTITION no such partition')
end
if tonumber(meta[1]) ~= tonumber(ARGV[1]) then
  return redis.error_reply('CONFLICT the log ends at ' .. meta[1] .. ', not at ' .. ARGV[1])
end

local time = redis.call('TIME')
local ms = math.max(time[1] * 1000 + math.floor(time[2] / 1000), tonumber(meta[2]))
local base = tonumber(meta[1])
local log_end = base + tonumber(ARGV[2])
local bytes = tonumber(meta[3]) + #ARGV[3]

redis.call('XADD', KEYS[1], string.format('%.0f-%.0f', ms, log_end - 1),
  'n', ARGV[2], 'c', string.format('%.0f', bytes), 'b', ARGV[3])
redis.call('HSET', KEYS[2], 'end', string.format('%.0f', log_end),
  'ms', string.format('%.0f', ms), 'bytes', string.format('%.0f', bytes))
if ARGV[4] ~= '' then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[6], '*', 'type', ARGV[4], 'data', ARGV[5])
end
return {base, ms}
