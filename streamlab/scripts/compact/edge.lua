-- How much of a partition may be compacted, and how much of that is new. Reads only.
-- KEYS  1 log  2 meta
-- ARGV  1 newest append ms that may be compacted (min.compaction.lag.ms before now)
-- Returns {last entry that may be compacted or '', appended bytes up to it, last entry compacted before or '-', appended
-- bytes up to that, bytes removed from the log ever, tombstone ms or '', append ms of the first entry not compacted or
-- '', log start}. The newest entry of a log is never compacted: it holds the log end.
local meta = redis.call('HMGET', KEYS[2], 'clean', 'clean_bytes', 'trimmed', 'tombstone_ms', 'start')
local clean, clean_bytes = meta[1] or '-', meta[2] or '0'
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local edge, edge_bytes, oldest = '', '0', ''
if newest then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', 2)) do
    if edge == '' and entry[1] ~= newest[1] then edge, edge_bytes = entry[1], entry[2][4] or '0' end
  end
  local first = redis.call('XRANGE', KEYS[1], clean == '-' and '-' or '(' .. clean, '+', 'COUNT', 1)[1]
  if first then oldest = string.match(first[1], '^%d+') end
end
return {edge, edge_bytes, clean, clean_bytes, meta[3] or '0', meta[4] or '', oldest, meta[5] or '0'}
