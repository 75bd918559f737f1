-- Registers a host or renews its lease.
-- KEYS: hosts, leases, beat, last host number
-- ARGV: id, record (JSON), process id, lease in ms, number in the id (0 if there is none)
-- Returns {'new'}, {'known'} or {'taken', process id of the living holder}.
-- include leases
local hosts, leases, beatKey, lastNumber = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, record, processId, term, number = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])

local now = beat(leases, beatKey)
local known = redis.call('HGET', hosts, id)
if known then
  local holder = cjson.decode(known).processId
  if holder ~= processId and lives(leases, id, now) then return { 'taken', holder } end
end

-- A store that lost its data must not give out the ids of hosts that outlived it.
if number > tonumber(redis.call('GET', lastNumber) or 0) then
  redis.call('SET', lastNumber, digits(number))
end
redis.call('HSET', hosts, id, record)
writeLease(leases, id, now + term, term, false)
return { known and 'known' or 'new' }
