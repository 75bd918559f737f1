-- Deletes a record, if it has the expected version; returns 1 if so, else 0.
-- KEYS: record
-- ARGV: expected version ('' = any)
local version = redis.call('HGET', KEYS[1], 'version')
if not version or (ARGV[1] ~= '' and ARGV[1] ~= version) then return 0 end
return redis.call('DEL', KEYS[1])
