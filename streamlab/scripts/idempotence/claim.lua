-- Take an event id, or say what is known of it.
-- KEYS  1 the id's key: absent, 'done', or '<token> <lease ends, server ms>'
-- ARGV  1 token of the caller  2 lease in ms  3 how long an id is remembered, in ms  4 '1': take over what is in doubt
-- Returns 'claimed', 'done', 'in progress' or 'in doubt'.
local stored = redis.call('GET', KEYS[1])
if stored == 'done' then return 'done' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if stored then
  local ends = tonumber(string.match(stored, ' (%d+)$'))
  if ends > now then return 'in progress' end
  if ARGV[4] ~= '1' then return 'in doubt' end
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. string.format('%.0f', now + ARGV[2]), 'PX', ARGV[3] + ARGV[2])
return 'claimed'
