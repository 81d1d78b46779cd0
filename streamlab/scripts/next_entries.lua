-- Find the first entry at or after a place in each of several logs, without sending its payload anywhere.
-- KEYS  one log a place (on a cluster all of one slot)
-- ARGV  1 bytes of payload after which to stop early, to bound how long the server is busy, then a place for each log:
--       '(<entry id>' is after that entry, '-' is the start of the log
-- Returns the entry ids, '' where there is none. A shorter list than asked for: it stopped, ask again for the rest.
local budget = tonumber(ARGV[1])
local ids = {}
for i = 1, #KEYS do
  local entry = redis.call('XRANGE', KEYS[i], ARGV[i + 1], '+', 'COUNT', 1)[1]
  if entry then
    ids[i] = entry[1]
    for _, field in ipairs(entry[2]) do budget = budget - #field end
    if budget < 0 then break end
  else
    ids[i] = ''
  end
end
return ids
