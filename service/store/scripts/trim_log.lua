local log = KEYS[1]
local times = KEYS[2]
local state = KEYS[3]
local before_ms = ARGV[1]
local keep = tonumber(ARGV[2])

-- Drops log entries that are older than `before_ms` or wholly beyond the newest `keep` alerts.
-- Answers the highest offset that is gone.

-- needs: numbers

local known = redis.call('HMGET', state, 'offset', 'trimmed')
local newest, trimmed = tonumber(known[1]) or 0, tonumber(known[2]) or 0
local cut = trimmed
local old = redis.call('ZREVRANGEBYSCORE', times, '(' .. before_ms, '-inf', 'LIMIT', 0, 1)[1]
if old then cut = math.max(cut, tonumber(old)) end
if newest - keep > cut then
  local from = digits(newest - keep) .. '-0'
  local entry = redis.call('XREVRANGE', log, from, '-', 'COUNT', 1)[1]
  if entry then cut = math.max(cut, tonumber(string.match(entry[1], '^%d+'))) end
end
if cut > trimmed then
  local time = redis.call('ZSCORE', times, digits(cut))
  redis.call('ZREMRANGEBYSCORE', times, '-inf', '(' .. time)
  for _, offset in ipairs(redis.call('ZRANGEBYSCORE', times, time, time)) do
    if tonumber(offset) <= cut then redis.call('ZREM', times, offset) end
  end
  redis.call('XTRIM', log, 'MINID', digits(cut + 1))
  redis.call('HSET', state, 'trimmed', digits(cut))
end
return cut
