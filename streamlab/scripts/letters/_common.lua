-- Put in front of every script about dead letters. All keys are of one partition of a dead-letter topic.
-- KEYS  1 letters: offset -> "<state> <replay number> <replay id or -> <ms> <JSON of what else is known>";
--         a letter that is not in it is dead, and was never touched; "#<state>" -> how many are in that state
--       2 replays: "<replay id>:<figure>" -> how far that replay came in this partition
--       3 untold: "<ms> <offset> <state>" -> JSON of who and why, until the broker's history has heard of it
local LETTERS, REPLAYS, UNTOLD = KEYS[1], KEYS[2], KEYS[3]

local function server_ms()
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end

-- State, number of the last replay (0: none was made here), its id.
local function status_of(offset)
  local stored = redis.call('HGET', LETTERS, offset)
  if not stored then return 'dead', 0, '-' end
  local state, number, replay = string.match(stored, '^(%S+) (%S+) (%S+)')
  return state, tonumber(number), replay
end

local function count(state, by)
  if state ~= 'dead' then redis.call('HINCRBY', LETTERS, '#' .. state, by) end
end

local function set_status(offset, before, state, number, replay, ms, details)
  count(before, -1)
  count(state, 1)
  redis.call('HSET', LETTERS, offset,
    table.concat({state, string.format('%.0f', number), replay, ms, details}, ' '))
end
