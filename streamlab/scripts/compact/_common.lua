-- A pass of compaction writes the log anew, under the same ids, beside the old one, and puts it in its place at the end.
-- While it runs, `cleaner` in the partition's meta holds '<token> <last offset covered> <bytes written>'. Whoever begins
-- a pass draws a new token, so an older one that still runs is refused from then on. So is one that says another
-- `covered` than stands here: a replica has taken over that lacks what the pass wrote last, and it would leave a hole.
local function its_pass(meta, token, covered)
  local stored = redis.call('HGET', meta, 'cleaner') or ''
  local owner, last, bytes = string.match(stored, '^(%S+) (%S+) (%S+)$')
  if owner ~= token or (covered and covered ~= last) then return nil end
  return {covered = tonumber(last), bytes = tonumber(bytes)}
end

local function save_pass(meta, token, pass)
  redis.call('HSET', meta, 'cleaner', string.format('%s %.0f %.0f', token, pass.covered, pass.bytes))
end

local function last_offset(id) return tonumber(string.match(id, '-(%d+)$')) end

-- Entries stand for all offsets since the entry before, so that a reader meets no gap.
local function span(pass, id, records)
  return string.format('%.0f', math.max(records, last_offset(id) - pass.covered))
end

-- Copy up to so many entries and about so many bytes of what the pass leaves as it is. Returns the last id copied, or
-- '', and whether there is more.
local function copy(pass, cleaned, log, after, till, entries, bytes)
  local last, place = '', after
  while entries > 0 and bytes > 0 do
    local page = redis.call('XRANGE', log, place, till, 'COUNT', math.min(16, entries))
    if #page == 0 then return last, false end
    for _, entry in ipairs(page) do
      local id, fields = entry[1], entry[2]
      local records, batch = tonumber(fields[2]), fields[6] or ''
      if records then fields[2] = span(pass, id, records) end
      redis.call('XADD', cleaned, id, unpack(fields))
      pass.covered = last_offset(id)
      pass.bytes = pass.bytes + #batch
      entries, bytes, last = entries - 1, bytes - #batch, id
    end
    place = '(' .. last
  end
  return last, #redis.call('XRANGE', log, place, till, 'COUNT', 1) > 0
end

