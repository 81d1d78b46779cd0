-- Write entries that the pass thinned out.
-- KEYS  1 meta  2 cleaned
-- ARGV  1 token  2 last offset covered, then of each entry: id, records in the batch, appended bytes up to it, when its tombstones were first
--       gone over in ms ('': it has none), the batch
-- Returns how many. Error: CLEANER_FENCED.
local pass = its_pass(KEYS[1], ARGV[1], ARGV[2])
if not pass then return redis.error_reply('CLEANER_FENCED another pass has begun, or this one lost its last step') end
for i = 3, #ARGV, 5 do
  local id, batch = ARGV[i], ARGV[i + 4]
  local fields = {'n', span(pass, id, tonumber(ARGV[i + 1])), 'c', ARGV[i + 2], 'b', batch}
  if ARGV[i + 3] ~= '' then
    fields[7], fields[8] = 't', ARGV[i + 3]
  end
  redis.call('XADD', KEYS[2], id, unpack(fields))
  pass.covered = last_offset(id)
  pass.bytes = pass.bytes + #batch
end
save_pass(KEYS[1], ARGV[1], pass)
return (#ARGV - 2) / 5
