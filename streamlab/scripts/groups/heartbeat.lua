-- Stay a member, and look at what the group wants of this member.
-- ARGV  1 member id  2 session timeout ms
-- Returns {epoch, assigned epoch, JSON of this member's target, JSON of the partition counts it was made with,
--          ms until the next lease of another member runs out (-1: there is none),
--          members (flat hash, only while a target is missing), owners (likewise)}.
-- Error: UNKNOWN_MEMBER.
if redis.call('HEXISTS', MEMBERS, ARGV[1]) == 0 then
  return redis.error_reply('UNKNOWN_MEMBER ' .. ARGV[1] .. ' is not in the group: its session ran out')
end
renew(ARGV[1], tonumber(ARGV[2])) -- first: after an outage all leases have run out, and whoever comes lives
expire()
local meta = redis.call('HMGET', META, 'epoch', 'assigned', 'counts')
local first_lease = -1
local leases = redis.call('ZRANGE', LEASES, 0, 1, 'WITHSCORES')
for i = #leases - 1, 1, -2 do
  if leases[i] ~= ARGV[1] then first_lease = math.max(0, tonumber(leases[i + 1]) - server_ms()) end
end
local assigned = meta[2] or '0'
local members, owners = {}, {}
if meta[1] ~= assigned then
  members, owners = redis.call('HGETALL', MEMBERS), redis.call('HGETALL', OWNERS)
end
return {meta[1], assigned, redis.call('HGET', TARGET, ARGV[1]) or '[]', meta[3] or '{}',
  first_lease, members, owners}
