local log = KEYS[1]
local times = KEYS[2]
local state = KEYS[3]
local floors = KEYS[4]
local acks = KEYS[5]
local before_ms = ARGV[1]
local keep = tonumber(ARGV[2])
local most = tonumber(ARGV[3]) -- entries dropped in one step: a long one would hold everybody up

-- Drops log entries that are older than `before_ms` or wholly beyond the newest `keep` alerts, and
-- what is known of their alerts: that they were acknowledged. By account it counts those that are
-- gone, which is the seq of the last of them. Answers the highest offset that is gone, and 1 when
-- there is more to drop.

-- needs: chunks, numbers

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
if cut == trimmed then return { cut, 0 } end

local dropped = redis.call('XRANGE', log, '-', digits(cut) .. '-0', 'COUNT', most)
local more = 0
if #dropped == most then
  local last = tonumber(string.match(dropped[most][1], '^%d+'))
  if last < cut then
    cut, more = last, 1
  end
end

local any_acks = redis.call('EXISTS', acks) == 1
local forgotten = {}
for _, entry in ipairs(dropped) do
  for _, account in ipairs(cjson.decode(entry[2][4])) do
    local seq = redis.call('HINCRBY', floors, account, 1)
    if any_acks then forgotten[#forgotten + 1] = account .. '-' .. digits(seq) end
  end
end
call_in_chunks('HDEL', acks, forgotten)

local time = redis.call('ZSCORE', times, digits(cut))
redis.call('ZREMRANGEBYSCORE', times, '-inf', '(' .. time)
for _, offset in ipairs(redis.call('ZRANGEBYSCORE', times, time, time)) do
  if tonumber(offset) <= cut then redis.call('ZREM', times, offset) end
end
redis.call('XTRIM', log, 'MINID', digits(cut + 1))
redis.call('HSET', state, 'trimmed', digits(cut))
return { cut, more }
