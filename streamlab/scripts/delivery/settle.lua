-- What came of a leased retry.
-- ARGV  1 group  2 owner epoch  3 owner  4 id  5 turn of the lease
--       6 "done", "again" (to be tried once more) or "dead"
--       7 again: due (server ms)   dead: the dead letter   8 again: the record with its attempts
--       9 outbox field  10 event
--       11 chain
-- Returns {1, or 0 when the lease is another's or was settled before: nothing was done,
--          1 when its chain is empty now, else 0,  dead: the letter's number in the outbox, else -1,
--          1 when somebody was parked behind it, who is due now, else 0}. Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
count_step()
local id, chain = ARGV[4], ARGV[11]
local letter, follows = -1, false
local ours = redis.call('HGET', LEASES, id) == ARGV[5]
if ours then
  tell(ARGV[9], ARGV[10])
  if ARGV[6] == 'again' then
    redis.call('HINCRBY', COUNTS, 'bytes', #ARGV[8] - redis.call('HSTRLEN', RECORDS, id))
    redis.call('HSET', RECORDS, id, ARGV[8])
    redis.call('HDEL', LEASES, id)
    plan(id, tonumber(ARGV[7]), chain)
  else
    if ARGV[6] == 'dead' then letter = post(ARGV[7]) end
    mark_done(id, committed)
    follows = remove(id)
  end
end
return {ours and 1 or 0, chain ~= '-' and first_of(chain) and 0 or 1, letter, follows and 1 or 0}
