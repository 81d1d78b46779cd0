-- Copy what was appended meanwhile and, when nothing is left to copy, put the cleaned log in the place of the old one.
-- KEYS  1 meta  2 cleaned  3 log
-- ARGV  1 token  2 last offset covered  3 where to begin: '-' or '(<id>'  4 most entries  5 about most bytes
--       6 log start that the pass was planned with  7 last entry compacted  8 appended bytes up to it
--       9 when the newest tombstone kept was first gone over in ms ('': there is none)
-- Returns {last id copied or '', 1 when the new log is in place, else 0}.
-- Errors: CLEANER_FENCED, FRONT_MOVED when records were removed from the front meanwhile.
local pass = its_pass(KEYS[1], ARGV[1], ARGV[2])
if not pass then return redis.error_reply('CLEANER_FENCED another pass has begun, or this one lost its last step') end
local meta = redis.call('HMGET', KEYS[1], 'start', 'bytes')
if meta[1] ~= ARGV[6] then return redis.error_reply('FRONT_MOVED to ' .. meta[1]) end
local last, more = copy(pass, KEYS[2], KEYS[3], ARGV[3], '+', tonumber(ARGV[4]), tonumber(ARGV[5]))
if more then
  save_pass(KEYS[1], ARGV[1], pass)
  return {last, 0}
end
redis.call('UNLINK', KEYS[3]) -- so that RENAME has nothing large to free
redis.call('RENAME', KEYS[2], KEYS[3])
redis.call('HDEL', KEYS[1], 'cleaner', 'tombstone_ms')
redis.call('HSET', KEYS[1], 'clean', ARGV[7], 'clean_bytes', ARGV[8],
  'trimmed', string.format('%.0f', tonumber(meta[2]) - pass.bytes))
if ARGV[9] ~= '' then redis.call('HSET', KEYS[1], 'tombstone_ms', ARGV[9]) end
return {last, 1}
