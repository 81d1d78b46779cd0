-- Records wait behind an earlier one of their chain that is to be tried again. One that turns out to be before all
-- others, which the main stream brings once more after a crash, is due at once.
-- ARGV  1 group  2 owner epoch  3 owner  4 chain, then pairs: id, record
-- Returns how many are new; -1 when nobody is before them, and nothing was done. Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
count_step()
if not first_of(ARGV[4]) then return -1 end
local added = 0
for i = 5, #ARGV, 2 do
  if not known(ARGV[i]) then
    add(ARGV[i], ARGV[4], ARGV[i + 1])
    park(ARGV[i], ARGV[4], 0)
    added = added + 1
  end
end
unpark(first_of(ARGV[4]))
return added
