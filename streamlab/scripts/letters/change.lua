-- An operator's word about letters: discard them, or call them dead again. Each change is untold from then on.
-- ARGV  1 the state that they go to  2 states that they may come from, separated by commas
--       3 JSON of who and why  then offsets
-- Returns the fields in `untold` of the letters that were changed; the others are in another state.
local ms, changed = server_ms(), {}
for i = 4, #ARGV do
  local state, number, replay = status_of(ARGV[i])
  if string.find(',' .. ARGV[2] .. ',', ',' .. state .. ',', 1, true) then
    set_status(ARGV[i], state, ARGV[1], number, replay, ms, ARGV[3])
    local field = table.concat({ms, ARGV[i], ARGV[1]}, ' ')
    redis.call('HSET', UNTOLD, field, ARGV[3])
    changed[#changed + 1] = field
  end
end
return changed
