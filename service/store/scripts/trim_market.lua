local stream = KEYS[1]
local snapshots = KEYS[2]
local clock = KEYS[3]
local committed = tonumber(ARGV[1]) -- smallest committed market id of all shards
local keep = tonumber(ARGV[2]) -- entries to keep behind the newest

-- A restart needs the newest snapshot at or below `committed` and every entry after it. Answers the
-- highest id that is gone.

-- needs: numbers

local base = 0
local ids = redis.call('HKEYS', snapshots)
for _, id in ipairs(ids) do
  local number = tonumber(id)
  if number <= committed and number > base then base = number end
end
for _, id in ipairs(ids) do
  if tonumber(id) < base then redis.call('HDEL', snapshots, id) end
end
local sequence = tonumber(redis.call('HGET', clock, 'sequence') or '0')
local cut = math.min(base, sequence - keep)
if cut > 0 then redis.call('XTRIM', stream, 'MINID', digits(cut + 1)) end
return math.max(cut, 0)
