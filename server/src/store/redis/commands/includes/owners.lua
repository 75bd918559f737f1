-- An owner is kept as "<epoch> <host>"; `rooms` is the prefix of each host's set of rooms.
local function readOwner(owners, room)
  local text = redis.call('HGET', owners, room)
  if not text then return nil end
  local epoch, host = string.match(text, '^(%d+) (.*)$')
  return host, tonumber(epoch)
end

local function own(owners, rooms, room, host, epoch)
  local before = readOwner(owners, room)
  if before then redis.call('SREM', rooms .. before, room) end
  redis.call('SADD', rooms .. host, room)
  redis.call('HSET', owners, room, string.format('%.0f %s', epoch, host))
end

local function forgetHost(hosts, leases, owners, rooms, host)
  for _, room in ipairs(redis.call('SMEMBERS', rooms .. host)) do
    redis.call('HDEL', owners, room)
  end
  redis.call('DEL', rooms .. host)
  redis.call('HDEL', hosts, host)
  redis.call('HDEL', leases, host)
end
