local grown_back = KEYS[1]
local rate = tonumber(ARGV[1]) -- units that grow back in a second
local burst = tonumber(ARGV[2]) -- most there can be
local needed = tonumber(ARGV[3])
local wanted = tonumber(ARGV[4]) -- as many as there are up to this; not less than `needed`

-- Takes units of a key: all that are needed, or none. More than the burst are given where all of it
-- is there; what is missing then has to grow back first. Answers how many were taken, how many are
-- left (below 0: missing) and after how many ms those needed would be there.

-- needs: numbers

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local full = math.max(tonumber(redis.call('GET', grown_back) or 0), now)
local room = burst - (full - now) * rate / 1000000
local least = math.min(needed, burst)
if room < least then
  return { 0, math.floor(room), math.ceil((least - room) * 1000 / rate) }
end
local taken = math.max(needed, math.min(wanted, math.floor(room)))
full = full + taken * 1000000 / rate
redis.call('SET', grown_back, digits(full), 'PX', digits(math.ceil((full - now) / 1000)))
return { taken, math.floor(room - taken), 0 }
