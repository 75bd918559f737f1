-- Removes the room listings of one process. In one step: a room that moves away meanwhile keeps its listing.
-- KEYS: listings (room id → JSON)
-- ARGV: process id
local listings, processId = KEYS[1], ARGV[1]

-- Decoding all of them would take long; most are told apart by a plain search.
local removed = 0
local all = redis.call('HGETALL', listings)
for at = 1, #all, 2 do
  if string.find(all[at + 1], processId, 1, true) and cjson.decode(all[at + 1]).processId == processId then
    removed = removed + redis.call('HDEL', listings, all[at])
  end
end
return removed
