-- Gives a room up if (host, epoch) owns it; returns 1 if so, else 0.
-- KEYS: owners, rooms prefix
-- ARGV: room, host, epoch
-- include owners
local owners, rooms = KEYS[1], KEYS[2]
local room, host, epoch = ARGV[1], ARGV[2], tonumber(ARGV[3])

local owner, held = readOwner(owners, room)
if owner ~= host or held ~= epoch then return 0 end
redis.call('HDEL', owners, room)
redis.call('SREM', rooms .. host, room)
return 1
