-- Write down what was changed elsewhere: a topic's settings stand in the registry of topics.
-- KEYS  1 version  2 events  3 wake channel (a name in the slot, never a key)
-- ARGV  1 entity type  2 its name  3 who  4 why  5 entries that the stream of events keeps, then of each change five:
--       name, '1' when it was set before, that value, '1' when it is set now, that value
-- Returns the version.
local version = redis.call('INCR', KEYS[1])
for i = 6, #ARGV, 5 do
  local before = ARGV[i + 1] == '1' and ARGV[i + 2] or nil
  local after = ARGV[i + 3] == '1' and ARGV[i + 4] or nil
  say_change(KEYS[2], ARGV[5], ARGV[1], ARGV[2], ARGV[i], before, after, ARGV[3], ARGV[4], version)
end
redis.call('PUBLISH', KEYS[3], string.format('%.0f', version))
return version
