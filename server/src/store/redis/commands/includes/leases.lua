-- include clock
-- A lease is kept as "<expires at> <term> <1 if it was prolonged because the store was away>".
local function readLease(leases, host)
  local text = redis.call('HGET', leases, host)
  if not text then return nil end
  local expires, term, graced = string.match(text, '^(%d+) (%d+) (%d)$')
  return tonumber(expires), tonumber(term), graced == '1'
end

local function writeLease(leases, host, expires, term, graced)
  redis.call('HSET', leases, host, digits(expires) .. ' ' .. digits(term) .. ' ' .. (graced and '1' or '0'))
end

local function lives(leases, host, now)
  local expires = readLease(leases, host)
  return expires ~= nil and expires > now
end

-- Notes that the store runs and returns the time. When it had been silent for more than half a lease, it was the
-- store that was away, not the host that could not renew: such a lease runs once more, so that a stopped and
-- continued Redis does not declare every host dead. Once only: with nobody left to renew, silence is normal.
local function beat(leases, beatKey)
  local now = nowMs()
  local last = tonumber(redis.call('GET', beatKey) or now)
  redis.call('SET', beatKey, digits(now))
  local silence = now - last
  if silence < 20 then return now end
  for _, host in ipairs(redis.call('HKEYS', leases)) do
    local expires, term, graced = readLease(leases, host)
    if silence * 2 > term and expires > last and not graced then
      writeLease(leases, host, now + term, term, true)
    end
  end
  return now
end
