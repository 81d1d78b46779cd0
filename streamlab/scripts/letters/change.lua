-- An operator's word about letters: discard them, or call them dead again.
-- ARGV  1 the state that they go to  2 states that they may come from, separated by commas
--       3 JSON of who and why  then offsets
-- Returns the offsets that were changed; the others are in another state.
local ms, changed = server_ms(), {}
for i = 4, #ARGV do
  local state, number, replay = status_of(ARGV[i])
  if string.find(',' .. ARGV[2] .. ',', ',' .. state .. ',', 1, true) then
    set_status(ARGV[i], state, ARGV[1], number, replay, ms, ARGV[3])
    changed[#changed + 1] = ARGV[i]
  end
end
return changed
