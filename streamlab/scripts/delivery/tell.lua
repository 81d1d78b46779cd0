-- Leave an event in the outbox about a record of the main stream that is done, before it counts as done.
-- ARGV  1 group  2 owner epoch  3 owner  4 outbox field  5 event
-- Returns 1. Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
count_step()
tell(ARGV[4], ARGV[5])
return 1
