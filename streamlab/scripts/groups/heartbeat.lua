-- Stay a member, and look at what the group wants of this member.
-- ARGV  1 member id  2 session timeout ms  3 instance id ('': not static)  4 stamp that the member saw last
-- Returns {epoch, assigned epoch, JSON of this member's target, JSON of the partition counts it was made with,
--          ms until a lease of somebody else runs out (-1: there is none), 1 while the group is paused,
--          assignor, members (flat hash, only while a target is missing), owners (likewise),
--          stamp, what this member owns (only when the stamp is not the one it saw),
--          JSON of a reset to be finished ('': none)}.
-- Errors: UNKNOWN_MEMBER, FENCED_INSTANCE.
local refused = refusal(ARGV[1], ARGV[3])
if refused then return refused end
renew(ARGV[1], tonumber(ARGV[2])) -- first: after an outage all leases have run out, and whoever comes lives
expire()
local meta = redis.call('HMGET', META, 'epoch', 'assigned', 'counts', 'assignor', 'operation')
local alarm, paused, abandoned = -1, pause(), ''
local leases = redis.call('ZRANGE', LEASES, 0, 1, 'WITHSCORES')
for i = #leases - 1, 1, -2 do
  if leases[i] ~= ARGV[1] then alarm = math.max(0, tonumber(leases[i + 1]) - NOW) end
end
if paused and paused.until_ms > 0 then
  local left = math.max(0, paused.until_ms - NOW)
  if alarm < 0 or left < alarm then alarm = left end
  if left == 0 and meta[5] then abandoned = meta[5] end
end
local assigned = meta[2] or '0'
local members, owners, owned = {}, {}, {}
if meta[1] ~= assigned then
  members, owners = redis.call('HGETALL', MEMBERS), redis.call('HGETALL', OWNERS)
end
local last = redis.call('HGET', STAMPS, ARGV[1]) or ''
if last ~= ARGV[4] then
  local all = redis.call('HGETALL', OWNERS)
  for i = 1, #all, 2 do
    if string.match(all[i + 1], '^(%S+)') == ARGV[1] then owned[#owned + 1] = all[i] end
  end
end
return {meta[1], assigned, redis.call('HGET', TARGET, ARGV[1]) or '[]', meta[3] or '{}', alarm, paused and 1 or 0,
  meta[4] or '', members, owners, last, owned, abandoned}
