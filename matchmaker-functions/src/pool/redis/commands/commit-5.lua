-- Changes records all together, if none of those that were read has changed since.
-- KEYS: records (a hash), waiting, live, done, due (sorted sets)
-- ARGV: capacity, number of records read; of each its key and what it was, '' = nothing; then of each that is written its
--       key, its new value, '' = none, and its numbers in waiting, live, done, due, '' = not listed
-- Returns 'done', 'changed' or 'full'.
local records, live = KEYS[1], KEYS[3]
local capacity, reads = tonumber(ARGV[1]), tonumber(ARGV[2])
local first = 3 + 2 * reads

for i = 3, first - 2, 2 do
  if (redis.call('HGET', records, ARGV[i]) or '') ~= ARGV[i + 1] then return 'changed' end
end

local more = 0
for i = first, #ARGV, 6 do
  if ARGV[i + 3] ~= '' and not redis.call('ZSCORE', live, ARGV[i]) then more = more + 1 end
end
if more > 0 and redis.call('ZCARD', live) + more > capacity then return 'full' end

for i = first, #ARGV, 6 do
  local key = ARGV[i]
  if ARGV[i + 1] == '' then redis.call('HDEL', records, key) else redis.call('HSET', records, key, ARGV[i + 1]) end
  for index = 2, 5 do
    local number = ARGV[i + index]
    if number == '' then redis.call('ZREM', KEYS[index], key) else redis.call('ZADD', KEYS[index], number, key) end
  end
end
return 'done'
