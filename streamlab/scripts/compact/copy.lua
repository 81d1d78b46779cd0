-- Copy entries that the pass leaves as they are.
-- KEYS  1 meta  2 cleaned  3 log
-- ARGV  1 token  2 last offset covered  3 where to begin: '-' or '(<id>'  4 last id  5 most entries  6 about most bytes
-- Returns {last id copied or '', 1 when there is more, else 0}. Error: CLEANER_FENCED.
local pass = its_pass(KEYS[1], ARGV[1], ARGV[2])
if not pass then return redis.error_reply('CLEANER_FENCED another pass has begun, or this one lost its last step') end
local last, more = copy(pass, KEYS[2], KEYS[3], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]))
save_pass(KEYS[1], ARGV[1], pass)
return {last, more and 1 or 0}
