-- Changes records if each has its expected version; returns the version written and the number of records deleted,
-- or 0, 0 on a conflict.
-- Versions are drawn from one counter, so a record that was deleted and made again does not pass for the old one.
-- KEYS: last version, record, …
-- ARGV of each record: expected version ('' = any, '0' = must not exist), 'write' | 'delete' | 'check', value,
--   time to live in ms ('' = none)
for at = 2, #KEYS do
  local expected = ARGV[4 * at - 7]
  if expected ~= '' and expected ~= (redis.call('HGET', KEYS[at], 'version') or '0') then return { 0, 0 } end
end
local version = redis.call('INCR', KEYS[1])
local deleted = 0
for at = 2, #KEYS do
  local record, step, value, ttl = KEYS[at], ARGV[4 * at - 6], ARGV[4 * at - 5], ARGV[4 * at - 4]
  if step == 'delete' then
    deleted = deleted + redis.call('DEL', record)
  elseif step == 'write' then
    redis.call('HSET', record, 'value', value, 'version', version)
    if ttl == '' then redis.call('PERSIST', record) else redis.call('PEXPIRE', record, ttl) end
  end
end
return { version, deleted }
