-- The server's own clock in whole milliseconds: those of the hosts differ.
local function nowMs()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Lua by itself writes large numbers as 1.7e+12.
local function digits(number)
  return string.format('%.0f', number)
end
