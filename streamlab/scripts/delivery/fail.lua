-- A record of the main stream failed: into the queue, unless it is known already.
-- ARGV  1 group  2 owner epoch  3 owner  4 id  5 due (server ms)  6 chain  7 record  8 outbox field  9 event
-- Returns 1, or 0 when it was known. Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
count_step()
if known(ARGV[4]) then return 0 end
add(ARGV[4], ARGV[6], ARGV[7])
plan(ARGV[4], tonumber(ARGV[5]), ARGV[6])
tell(ARGV[8], ARGV[9])
return 1
