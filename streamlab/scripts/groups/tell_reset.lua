-- Note in the outbox what the reset of a stopped group did.
-- ARGV  1 JSON of it
-- Returns 1.
tell_reset(ARGV[1])
return 1
