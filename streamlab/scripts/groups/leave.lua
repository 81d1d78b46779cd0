-- Stop being a member; everything it owned is free at once.
-- ARGV  1 member id  2 why, in words
-- Returns 1 when it was a member, else 0.
expire()
if redis.call('HEXISTS', MEMBERS, ARGV[1]) == 0 then return 0 end
remove_member(ARGV[1])
next_epoch(ARGV[1] .. ' ' .. ARGV[2])
return 1
