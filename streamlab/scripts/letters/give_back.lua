-- A chunk of a replay cannot be sent, and nothing of it was: its letters are dead as before, under the same number when
-- they are taken again, and the replay stands in front of what it had looked at for it.
-- ARGV  1 replay id  2 number of the chunk
-- Returns how many letters were given back.
local function figure(name) return ARGV[1] .. ':' .. name end
local pending = redis.call('HGET', REPLAYS, figure('pending'))
if not pending or redis.call('HGET', REPLAYS, figure('chunk')) ~= ARGV[2] then return 0 end
local ms, letters = server_ms(), 0
for offset in string.gmatch(pending, '(%d+):%d+') do
  local state, number, replay = status_of(offset)
  if state == 'replaying' and replay == ARGV[1] then
    set_status(offset, state, 'dead', number - 1, '-', ms, '{}')
    letters = letters + 1
  end
end
local before = redis.call('HGET', REPLAYS, figure('before'))
if before then -- a chunk that was taken by a version before has none
  local cursor, skipped, unfit = string.match(before, '^(%S+) (%d+) (%d+)$')
  if cursor == '-' then redis.call('HDEL', REPLAYS, figure('cursor'))
  else redis.call('HSET', REPLAYS, figure('cursor'), cursor) end
  redis.call('HINCRBY', REPLAYS, figure('skipped'), 0 - skipped)
  redis.call('HINCRBY', REPLAYS, figure('unfit'), 0 - unfit)
end
redis.call('HDEL', REPLAYS, figure('pending'), figure('before'))
return letters
