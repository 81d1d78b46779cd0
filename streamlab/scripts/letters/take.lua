-- Take the next chunk of dead letters for a replay, and remember it until it is sent.
-- ARGV  1 replay id  2 number of the chunk before (0: there is none)  3 offset behind what was looked at
--       4 letters in between that cannot be edited as asked  5 partitions of the target topic (0: it goes to the group)
--       6 JSON of who and where to  then for each letter: offset, number of this replay
-- Returns {number of the chunk, partitions of the target, when it was taken (server ms), 'offset:number' ...} of the chunk
-- that is to be sent now: an earlier one that nobody finished, else the new one.
-- Error: STALE when somebody else took chunks meanwhile.
local replay = ARGV[1]
local function figure(name) return replay .. ':' .. name end
local chunk, pending, width, ms = unpack(redis.call('HMGET', REPLAYS, figure('chunk'), figure('pending'),
  figure('width'), figure('ms')))
if (chunk or '0') ~= ARGV[2] then
  return redis.error_reply('STALE chunk ' .. ARGV[2] .. ', the replay is at ' .. (chunk or '0'))
end
if not pending then
  ms = server_ms()
  local taken, skipped = {}, 0
  for i = 7, #ARGV, 2 do
    local offset, number = ARGV[i], tonumber(ARGV[i + 1])
    local state, before = status_of(offset)
    if state == 'dead' and number > before then
      set_status(offset, state, 'replaying', number, replay, ms, ARGV[6])
      taken[#taken + 1] = offset .. ':' .. ARGV[i + 1]
    else
      skipped = skipped + 1
    end
  end
  chunk, width, pending = string.format('%.0f', tonumber(ARGV[2]) + 1), ARGV[5], table.concat(taken, ' ')
  local before = table.concat({redis.call('HGET', REPLAYS, figure('cursor')) or '-', skipped, ARGV[4]}, ' ')
  redis.call('HSET', REPLAYS, figure('chunk'), chunk, figure('cursor'), ARGV[3], figure('width'), width,
    figure('before'), before, figure('ms'), ms)
  redis.call('HINCRBY', REPLAYS, figure('skipped'), skipped)
  redis.call('HINCRBY', REPLAYS, figure('unfit'), ARGV[4])
  if #taken > 0 then redis.call('HSET', REPLAYS, figure('pending'), pending) end
end
local answer = {chunk, width, ms or server_ms()} -- a chunk that was taken by a version before has no time
for letter in string.gmatch(pending, '%S+') do answer[#answer + 1] = letter end
return answer
