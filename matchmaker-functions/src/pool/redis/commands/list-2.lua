-- Records of an index up to a number, lowest first.
-- KEYS: records (a hash), the index (a sorted set)
-- ARGV: the number, how many at most
-- Returns keys and values in turn.
local found = {}
for _, key in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
  found[#found + 1] = key
  found[#found + 1] = redis.call('HGET', KEYS[1], key)
end
return found
