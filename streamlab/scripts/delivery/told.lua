-- What was in the outbox is where it belongs: take it out.
-- ARGV  fields of the outbox
-- Returns how many were there.
return redis.call('HDEL', OUTBOX, unpack(ARGV))
