-- Give partitions up, after their work is finished and committed.
-- ARGV  1 member id  2 stamp that the member saw last, then partitions
-- Returns the member's new stamp ('': its next heartbeat tells it what it owns).
local released = 0
for i = 3, #ARGV do
  if owner_of(ARGV[i]) == ARGV[1] then
    released = released + 1
    disown(ARGV[i], ARGV[1], NOW)
    moved(ARGV[i], '-', '?') -- when nobody wants it any more
  end
end
if released == 0 then return ARGV[2] end
wake()
return stamp(ARGV[1], ARGV[2])
