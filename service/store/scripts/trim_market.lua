local stream = KEYS[1]
local snapshots = KEYS[2]
local clock = KEYS[3]
local committed = tonumber(ARGV[1]) -- smallest committed market id of all shards
local keep = tonumber(ARGV[2]) -- entries to keep behind the newest

-- A restart needs the newest snapshot at or below `committed` and every entry after it. Who derives
-- an alert again needs one before it: of those that the stream reaches back to, one in so many
-- entries stays. Answers the highest id that is gone.

-- needs: numbers

local PARTS = 10 -- of the stream, each with a snapshot to begin from

local ids, base = {}, 0
for _, id in ipairs(redis.call('HKEYS', snapshots)) do
  local number = tonumber(id)
  ids[#ids + 1] = number
  if number <= committed and number > base then base = number end
end
local sequence = tonumber(redis.call('HGET', clock, 'sequence') or '0')
local cut = math.max(math.min(base, sequence - keep), 0)
table.sort(ids)
local last
for _, id in ipairs(ids) do
  local stays = id >= base or (id >= cut and (not last or id - last >= keep / PARTS))
  if stays then last = id else redis.call('HDEL', snapshots, digits(id)) end
end
if cut > 0 then redis.call('XTRIM', stream, 'MINID', digits(cut + 1)) end
return cut
