-- Reads records at one moment; returns value, version of each, or false, false of those that do not exist.
-- KEYS: record, …
local found = {}
for at, record in ipairs(KEYS) do
  local value = redis.call('HMGET', record, 'value', 'version')
  found[2 * at - 1], found[2 * at] = value[1], value[2]
end
return found
