-- Makes a host the owner of a room that nobody, or only a dead host, owns.
-- KEYS: leases, beat, owners, rooms prefix
-- ARGV: room, host, epoch to start from
-- Returns {'ok', host, epoch}, {'owned', host, epoch} or {'unknown host'}.
-- include leases
-- include owners
local leases, beatKey, owners, rooms = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local room, host, epoch = ARGV[1], ARGV[2], tonumber(ARGV[3])

local now = beat(leases, beatKey)
if not lives(leases, host, now) then return { 'unknown host' } end

local owner, held = readOwner(owners, room)
if owner == host then return { 'ok', host, digits(held) } end
if owner then
  if lives(leases, owner, now) then return { 'owned', owner, digits(held) } end
  epoch = held + 1
end
own(owners, rooms, room, host, epoch)
return { 'ok', host, digits(epoch) }
