-- Append one record batch to a partition.
-- KEYS  1 log  2 meta  3 producers
-- ARGV  1 producer id (-1: not idempotent)  2 producer epoch  3 sequence of the batch's first record
--       4 number of records  5 the batch
--       6 which server this is, as far as the client knows (none or '': not at all); see locate.lua
-- Returns {base offset, append ms, 1 when this very batch was here before, else 0}.
-- Errors: UNKNOWN_PARTITION, PRODUCER_FENCED, OUT_OF_ORDER, DUPLICATE (known, but too old to tell its offset).
-- Offsets and ids are written with %.0f: Lua's tostring loses digits above 1e14.
local BATCHES_KEPT = 10 -- as many as a producer may have on the way: BATCHES_A_REQUEST of sender.py times 5
local SEQUENCES = 2147483648
local HEAD = 2 -- epoch, ms of the last append; then
local CUTS_KEPT = 20
local FIELDS = 4 -- per batch kept: first sequence, last sequence, base offset, append ms

local meta = redis.call('HMGET', KEYS[2], 'end', 'ms', 'bytes', 'leader')
if not meta[1] then
  return redis.error_reply('UNKNOWN_PARTITION no such partition')
end

local producer, epoch, first = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local count, batch = tonumber(ARGV[4]), ARGV[5]
local last = (first + count - 1) % SEQUENCES
local kept
if producer ~= '-1' then
  local stored = redis.call('HGET', KEYS[3], producer)
  kept = stored and cmsgpack.unpack(stored) or {epoch, 0}
  if epoch < kept[1] then
    return redis.error_reply('PRODUCER_FENCED epoch ' .. epoch .. ' is older than ' .. kept[1])
  end
  if epoch > kept[1] then kept = {epoch, 0} end
  local n = #kept
  for i = HEAD + 1, n, FIELDS do
    if kept[i] == first and kept[i + 1] == last then
      -- a write, though nothing changes: on a new connection WAIT waits for what that wrote, and for nothing else
      redis.call('HSET', KEYS[3], producer, stored)
      return {kept[i + 2], kept[i + 3], 1}
    end
  end
  -- a producer that is not known yet, and a new epoch, begin at 0: whatever begins later follows something missing
  local expected = n > HEAD and (kept[n - 2] + 1) % SEQUENCES or 0
  if first ~= expected then
    local behind = (expected - first) % SEQUENCES
    local verdict = n > HEAD and behind < SEQUENCES / 2 and 'DUPLICATE' or 'OUT_OF_ORDER'
    return redis.error_reply(verdict .. ' expected sequence ' .. expected .. ', got ' .. first)
  end
end

local leader = ARGV[6] or ''
if leader ~= '' and leader ~= meta[4] then
  -- another server, or the same one started again, goes on from here: what the last one had behind this is lost
  if meta[1] ~= '0' then
    local cuts = (redis.call('HGET', KEYS[2], 'cuts') or '') .. ' ' .. meta[1] .. '@' .. meta[2]
    redis.call('HSET', KEYS[2], 'cuts', string.match(cuts, string.rep(' %S+', CUTS_KEPT) .. '$') or cuts)
  end
  redis.call('HSET', KEYS[2], 'leader', leader)
end

local time = redis.call('TIME')
local ms = math.max(time[1] * 1000 + math.floor(time[2] / 1000), tonumber(meta[2]))
local base = tonumber(meta[1])
local log_end = base + count
local bytes = tonumber(meta[3]) + #batch

redis.call('XADD', KEYS[1], string.format('%.0f-%.0f', ms, log_end - 1),
  'n', ARGV[4], 'c', string.format('%.0f', bytes), 'b', batch)
redis.call('HSET', KEYS[2], 'end', string.format('%.0f', log_end),
  'ms', string.format('%.0f', ms), 'bytes', string.format('%.0f', bytes))

if kept then
  local n = #kept
  if n >= HEAD + BATCHES_KEPT * FIELDS then
    for i = HEAD + 1, n - FIELDS do kept[i] = kept[i + FIELDS] end
    n = n - FIELDS
  end
  kept[2] = ms
  kept[n + 1], kept[n + 2], kept[n + 3], kept[n + 4] = first, last, base, ms
  redis.call('HSET', KEYS[3], producer, cmsgpack.pack(kept))
end
return {base, ms, 0}
