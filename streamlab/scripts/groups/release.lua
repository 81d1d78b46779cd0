-- Give partitions up, after their work is finished and committed.
-- ARGV  1 member id, then partitions
-- Returns how many were owned.
local released = 0
for i = 2, #ARGV do
  if owner_of(ARGV[i]) == ARGV[1] then
    released = released + redis.call('HDEL', OWNERS, ARGV[i])
  end
end
if released > 0 then wake() end
return released
