-- Keep the server busy for a while, as a slow command does.
-- KEYS  1 loads: only says which server
-- ARGV  1 milliseconds
-- Returns nothing.
local os = rawget(_G, 'os')  -- newer servers have a clock here, and stand their TIME still for a script; older ones neither
local function now_ms()
  if os then return os.clock() * 1000 end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
end
local stop_ms = now_ms() + tonumber(ARGV[1])
while now_ms() < stop_ms do end
return nil
