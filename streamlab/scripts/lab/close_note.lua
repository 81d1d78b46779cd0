-- Delete the note of an experiment, unless it is another one's by now.
-- KEYS  1 note
-- ARGV  1 id
-- Returns 1 when it was deleted, else 0.
local note = redis.call('GET', KEYS[1])
if not note or cjson.decode(note)['id'] ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
