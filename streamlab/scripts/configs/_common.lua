-- Put in front of every script of the configuration, whose keys share the slot {config}.
local function say_change(events, kept, entity_type, entity, name, before, after, by, reason, revision)
  local time = redis.call('TIME')
  local data = { entity_type = entity_type, entity = entity, name = name, before = before, after = after,
    at_ms = time[1] * 1000 + math.floor(time[2] / 1000), revision = revision }
  if by ~= '' then data.by = by end
  if reason ~= '' then data.reason = reason end
  redis.call('XADD', events, 'MAXLEN', '~', kept, '*', 'type', 'config.changed', 'data', cjson.encode(data))
end

