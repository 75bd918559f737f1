-- Draws a generation of code: greater than all drawn before and that of every registered host. The hosts count because
-- they outlive a store that lost its data.
-- KEYS: hosts, last generation
local hosts, lastGeneration = KEYS[1], KEYS[2]

local newest = tonumber(redis.call('GET', lastGeneration) or 0)
for _, record in ipairs(redis.call('HVALS', hosts)) do
  newest = math.max(newest, cjson.decode(record).generation)
end
redis.call('SET', lastGeneration, newest + 1)
return newest + 1
