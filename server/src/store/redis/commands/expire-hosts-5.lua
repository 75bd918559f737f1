-- Removes the hosts whose lease has expired, with the ownership of their rooms; returns their records (JSON).
-- KEYS: hosts, leases, beat, owners, rooms prefix
-- ARGV: hosts that are known to be gone, whatever their lease says
-- include leases
-- include owners
local hosts, leases, beatKey, owners, rooms = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

local now = beat(leases, beatKey)
local gone = {}
for _, id in ipairs(ARGV) do gone[id] = true end
local dead = {}
for _, id in ipairs(redis.call('HKEYS', hosts)) do
  if gone[id] or not lives(leases, id, now) then
    dead[#dead + 1] = redis.call('HGET', hosts, id)
    forgetHost(hosts, leases, owners, rooms, id)
  end
end
return dead
