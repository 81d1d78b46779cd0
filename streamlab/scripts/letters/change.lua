-- An operator's word about letters: discard them, or call them dead again. Each change is untold from then on.
-- ARGV  1 the state that they go to  2 states that they may come from, separated by commas
--       3 names of the decisions that may have been the last about them, separated by commas; empty: any, or none
--       4 JSON of who and why  then offsets
-- Returns the fields in `untold` of the letters that were changed; the others are in another state.
local ms, changed = server_ms(), {}

local function listed(list, word) return string.find(',' .. list .. ',', ',' .. word .. ',', 1, true) end

local function decided(offset)
  if ARGV[3] == '' then return true end
  local json = string.match(redis.call('HGET', LETTERS, offset) or '', '^%S+ %S+ %S+ %S+ (.*)$')
  local name = json and cjson.decode(json)['decision']
  return name and listed(ARGV[3], name)
end

for i = 5, #ARGV do
  local state, number, replay = status_of(ARGV[i])
  if listed(ARGV[2], state) and decided(ARGV[i]) then
    set_status(ARGV[i], state, ARGV[1], number, replay, ms, ARGV[4])
    local field = table.concat({ms, ARGV[i], ARGV[1]}, ' ')
    redis.call('HSET', UNTOLD, field, ARGV[4])
    changed[#changed + 1] = field
  end
end
return changed
