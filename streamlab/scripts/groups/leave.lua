-- Stop being a member; everything it owned is free at once.
-- ARGV  1 member id  2 why, in words  3 why, in one word
-- Returns 1 when it was a member, else 0.
expire()
if redis.call('HEXISTS', MEMBERS, ARGV[1]) == 0 then return 0 end
remove_member(ARGV[1], ARGV[3], NOW)
next_epoch('left', ARGV[1] .. ' ' .. ARGV[2])
return 1
