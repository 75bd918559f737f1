-- The rooms a host owns: room and epoch of each, one after the other.
-- KEYS: owners, rooms prefix
-- ARGV: host
-- include owners
local owners, rooms = KEYS[1], KEYS[2]

local owned = {}
for _, room in ipairs(redis.call('SMEMBERS', rooms .. ARGV[1])) do
  local _, epoch = readOwner(owners, room)
  owned[#owned + 1] = room
  owned[#owned + 1] = string.format('%.0f', epoch)
end
return owned
