-- Compare-and-set of many owners: each from (from, epoch) to (to, epoch + 1).
-- KEYS: leases, beat, owners, rooms prefix
-- ARGV: room, from, epoch, to; repeated
-- Returns for each move: '1' if it was done else '0', then host and epoch of the owner after it ('', '0': nobody).
-- include leases
-- include owners
local leases, beatKey, owners, rooms = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local now = beat(leases, beatKey)
local outcomes = {}
for at = 1, #ARGV, 4 do
  local room, from, epoch, to = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
  local owner, held = readOwner(owners, room)
  local ok = owner == from and held == epoch and lives(leases, to, now)
  if ok then
    own(owners, rooms, room, to, epoch + 1)
    owner, held = to, epoch + 1
  end
  outcomes[#outcomes + 1] = ok and '1' or '0'
  outcomes[#outcomes + 1] = owner or ''
  outcomes[#outcomes + 1] = digits(held or 0)
end
return outcomes
