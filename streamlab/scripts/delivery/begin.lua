-- A leased retry that a worker may have died on goes to its handler now.
-- ARGV  1 group  2 owner epoch  3 owner  4 id  5 turn
-- Returns 1, or 0 when the lease is another's. Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
if redis.call('HGET', LEASES, ARGV[4]) ~= ARGV[5] then return 0 end
local _, losses, planned, chain = state_of(ARGV[4])
set_state(ARGV[4], 'B', losses, planned, chain)
return 1
