-- What came of a replayed letter; also of one whose replay was taken for lost since, and that was not replayed anew.
-- ARGV  1 offset  2 number of the replay  3 'recovered' or 'failed-again'  4 JSON of what else is known
-- Returns 1, or 0 when that was known, or that was not the letter's last replay.
local state, number, replay = status_of(ARGV[1])
if replay == '-' or number ~= tonumber(ARGV[2]) then return 0 end
if state == 'recovered' or state == 'failed-again' then return 0 end
set_status(ARGV[1], state, ARGV[3], number, replay, server_ms(), ARGV[4])
if redis.call('HEXISTS', REPLAYS, replay .. ':chunk') == 1 then
  redis.call('HINCRBY', REPLAYS, replay .. ':' .. ARGV[3], 1)
end
return 1
