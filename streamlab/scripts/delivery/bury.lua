-- A record of the main stream is given up at its first attempt: a dead letter, unless it is known already.
-- ARGV  1 group  2 owner epoch  3 owner  4 id  5 dead letter
-- Returns the letter's number in the outbox; -1 when it was known. Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
count_step()
if known(ARGV[4]) then return -1 end
mark_done(ARGV[4], committed)
return post(ARGV[5])
