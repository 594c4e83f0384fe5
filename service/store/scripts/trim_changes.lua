local changes = KEYS[1]
local state = KEYS[2]
local before_ms = tonumber(ARGV[1])
local keep = tonumber(ARGV[2])

-- Drops account changes that are committed and either beyond the newest `keep` or (2,000 a call)
-- older than `before_ms`, but for those that share an entry with one that stays. Answers the id up
-- to which they are dropped.

-- needs: numbers

local counters = redis.call('HMGET', state, 'changes', 'changeId')
local newest, committed = tonumber(counters[1]) or 0, tonumber(counters[2]) or 0
local cut = math.max(math.min(committed, newest - keep), 0)
local from, seen = cut, 0
while seen < 2000 do -- the rest next time: a long step would hold everybody up
  local page = redis.call('XRANGE', changes, '(' .. digits(from) .. '-0', '+', 'COUNT', 20)
  local late = #page == 0
  for _, entry in ipairs(page) do
    from = tonumber(string.match(entry[1], '^%d+')) -- of the last of its changes
    if from > committed or tonumber(entry[2][2]) >= before_ms then
      late = true
      break
    end
    cut = from
    seen = seen + (#entry[2] - 2) / 4
  end
  if late then break end
end
if cut > 0 then redis.call('XTRIM', changes, 'MINID', digits(cut + 1)) end
return cut
