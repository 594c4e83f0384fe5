-- Numbers as the keys hold them: whole, in full, times in epoch ms.

local function digits(number)
  return string.format('%.0f', number) -- tostring would write 1e+15
end

local function server_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
