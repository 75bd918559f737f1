-- Writes a record if its version is the expected one; returns the new version, or 0 on a conflict.
-- Versions are drawn from one counter, so a record that was deleted and made again does not pass for the old one.
-- KEYS: record, last version
-- ARGV: value, expected version ('' = any, '0' = must not exist), time to live in ms ('' = none)
local record, lastVersion = KEYS[1], KEYS[2]
local value, expected, ttl = ARGV[1], ARGV[2], ARGV[3]

if expected ~= '' and expected ~= (redis.call('HGET', record, 'version') or '0') then return 0 end
local version = redis.call('INCR', lastVersion)
redis.call('HSET', record, 'value', value, 'version', version)
if ttl == '' then redis.call('PERSIST', record) else redis.call('PEXPIRE', record, ttl) end
return version
