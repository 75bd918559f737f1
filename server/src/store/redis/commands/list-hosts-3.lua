-- Records (JSON) of the hosts whose lease has not expired.
-- KEYS: hosts, leases, beat
-- include leases
local hosts, leases, beatKey = KEYS[1], KEYS[2], KEYS[3]

local now = beat(leases, beatKey)
local live = {}
for _, id in ipairs(redis.call('HKEYS', hosts)) do
  if lives(leases, id, now) then live[#live + 1] = redis.call('HGET', hosts, id) end
end
return live
