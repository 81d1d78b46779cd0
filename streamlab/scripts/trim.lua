-- Remove the oldest batches of a partition, always whole batches.
-- KEYS  1 log  2 meta
-- ARGV  1 remove what was appended before this ms (-1: no limit by time)
--       2 keep at least this many bytes, remove older ones (-1: no limit by size)
--       3 first offset to keep (-1: no limit by offset)
--       4 most batches to remove in this call, to bound how long the server is busy
-- `purged` in meta: which offsets were removed because somebody asked for it (3), as from and to (exclusive) of the
-- newest few ranges: what of them a group had not read is not retention's doing.
-- Returns {log start, bytes kept, 1 when there is more to remove, else 0}. Error: UNKNOWN_PARTITION.
local meta = redis.call('HMGET', KEYS[2], 'start', 'end', 'bytes', 'trimmed', 'purged')
local MOST_RANGES = 8
if not meta[1] then
  return redis.error_reply('UNKNOWN_PARTITION no such partition')
end
local before_ms, keep_bytes, from_offset, most =
  tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local old_start, log_end = tonumber(meta[1]), tonumber(meta[2])
local start = old_start
local appended, trimmed = tonumber(meta[3]), tonumber(meta[4])

local function removable(id, size)
  local ms, last = string.match(id, '^(%d+)-(%d+)$')
  return (before_ms >= 0 and tonumber(ms) < before_ms)
    or (keep_bytes >= 0 and appended - trimmed - size >= keep_bytes)
    or (from_offset >= 0 and tonumber(last) < from_offset)
end

local removed, more, head = 0, 0, '-'
local at_once = 1 -- most often nothing is to be removed, and an entry is read with its batch
while true do
  local page = redis.call('XRANGE', KEYS[1], head, '+', 'COUNT', at_once)
  at_once = 16
  local doomed, survivor = {}, nil
  for _, entry in ipairs(page) do
    local size = #(entry[2][6] or '')
    if not removable(entry[1], size) then
      survivor = true
      break
    end
    doomed[#doomed + 1] = entry[1]
    trimmed = trimmed + size
    start = math.max(start, tonumber(string.match(entry[1], '-(%d+)$')) + 1)
  end
  if #doomed > 0 then
    redis.call('XDEL', KEYS[1], unpack(doomed))
    removed = removed + #doomed
    head = '(' .. doomed[#doomed]
  end
  if survivor or #page == 0 then break end
  if removed >= most then
    more = 1
    break
  end
end

local function purged_too(from, to)
  local ranges = {}
  for offset in string.gmatch(meta[5] or '', '%d+') do ranges[#ranges + 1] = offset end
  if ranges[#ranges] ~= from then
    ranges[#ranges + 1] = from
    ranges[#ranges + 1] = from
  end
  ranges[#ranges] = to
  while #ranges > 2 * MOST_RANGES do
    table.remove(ranges, 1)
    table.remove(ranges, 1)
  end
  return table.concat(ranges, ' ')
end

start = math.max(start, math.min(from_offset, log_end))
if from_offset >= 0 and start > old_start then
  redis.call('HSET', KEYS[2], 'purged',
    purged_too(string.format('%.0f', old_start), string.format('%.0f', start)))
end
redis.call('HSET', KEYS[2], 'start', string.format('%.0f', start), 'trimmed', string.format('%.0f', trimmed))
return {string.format('%.0f', start), string.format('%.0f', appended - trimmed), more}
