-- What came of a leased retry.
-- ARGV  1 group  2 owner epoch  3 owner  4 id  5 turn of the lease
--       6 "done", "again" (to be tried once more) or "dead"
--       7 again: due (server ms)   dead: the dead letter   8 again: the record with its attempts
--       9 outbox field  10 event
-- Returns 1 when its chain is empty now, 0 when it is not; -1 when the lease is another's: nothing was done.
-- Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
local id = ARGV[4]
if redis.call('HGET', LEASES, id) ~= ARGV[5] then return -1 end
tell(ARGV[9], ARGV[10])
if ARGV[6] == 'again' then
  redis.call('HINCRBY', COUNTS, 'bytes', #ARGV[8] - redis.call('HSTRLEN', RECORDS, id))
  redis.call('HSET', RECORDS, id, ARGV[8])
  redis.call('HDEL', LEASES, id)
  redis.call('ZADD', DUE, ARGV[7], id)
  return 0
end
if ARGV[6] == 'dead' then post(ARGV[7]) end
mark_done(id, committed)
return remove(id)
