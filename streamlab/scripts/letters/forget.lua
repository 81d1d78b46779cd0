-- Forget letters that retention has removed.
-- ARGV  1 log start  then offsets below it
-- Returns how many were forgotten.
local forgotten = 0
for i = 2, #ARGV do
  if tonumber(ARGV[i]) < tonumber(ARGV[1]) and redis.call('HEXISTS', LETTERS, ARGV[i]) == 1 then
    count(status_of(ARGV[i]), -1)
    redis.call('HDEL', LETTERS, ARGV[i])
    forgotten = forgotten + 1
  end
end
return forgotten
