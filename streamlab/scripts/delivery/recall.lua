-- Leases that their owner does not know of, for the answer that told of them was lost: due again at once.
-- ARGV  1 group  2 owner epoch  3 owner  then the ids that it knows of
-- Returns how many. Error: FENCED.
local committed, refusal = fenced(ARGV[1], ARGV[2], ARGV[3])
if not committed then return refusal end
local known, recalled = {}, 0
for i = 4, #ARGV do known[ARGV[i]] = true end
for _, id in ipairs(redis.call('HKEYS', LEASES)) do
  if not known[id] then
    free(id)
    recalled = recalled + 1
  end
end
return recalled
