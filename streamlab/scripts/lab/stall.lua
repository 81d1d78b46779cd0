-- Keep the server busy for a while, as a slow command does.
-- KEYS  1 loads: only says which server
-- ARGV  1 milliseconds
-- Returns how many milliseconds of processor time it took.
local begun = os.clock()
local ms = tonumber(ARGV[1])
while (os.clock() - begun) * 1000 < ms do end
return math.floor((os.clock() - begun) * 1000)
