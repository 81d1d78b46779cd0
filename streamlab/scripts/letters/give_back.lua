-- A chunk of a replay cannot be sent, and nothing of it was: its letters are dead as before.
-- ARGV  1 replay id  2 number of the chunk
-- Returns how many letters were given back.
local pending_field = ARGV[1] .. ':pending'
local pending = redis.call('HGET', REPLAYS, pending_field)
if not pending or redis.call('HGET', REPLAYS, ARGV[1] .. ':chunk') ~= ARGV[2] then return 0 end
local ms, letters = server_ms(), 0
for offset in string.gmatch(pending, '(%d+):%d+') do
  local state, number, replay = status_of(offset)
  if state == 'replaying' and replay == ARGV[1] then
    set_status(offset, state, 'dead', number, '-', ms, '{}')
    letters = letters + 1
  end
end
redis.call('HDEL', REPLAYS, pending_field)
return letters
