-- A chunk of a replay is where it belongs: count it, once.
-- ARGV  1 replay id  2 number of the chunk
-- Returns how many letters were counted now; 0 when it was counted before, or is another chunk.
local pending_field = ARGV[1] .. ':pending'
local pending = redis.call('HGET', REPLAYS, pending_field)
if not pending or redis.call('HGET', REPLAYS, ARGV[1] .. ':chunk') ~= ARGV[2] then return 0 end
local _, letters = string.gsub(pending, '%S+', '')
redis.call('HINCRBY', REPLAYS, ARGV[1] .. ':sent', letters)
redis.call('HDEL', REPLAYS, pending_field)
return letters
