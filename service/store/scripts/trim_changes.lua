local changes = KEYS[1]
local state = KEYS[2]
local before_ms = tonumber(ARGV[1])
local keep = tonumber(ARGV[2])

-- Drops account changes that are committed and either beyond the newest `keep` or (2,000 a call)
-- older than `before_ms`. Answers the highest id gone.

-- needs: numbers

local counters = redis.call('HMGET', state, 'changes', 'changeId')
local newest, committed = tonumber(counters[1]) or 0, tonumber(counters[2]) or 0
local cut = math.min(committed, newest - keep)
local from = '-'
for _ = 1, 4 do -- the rest next time: a long step would hold everybody up
  local page = redis.call('XRANGE', changes, from, '+', 'COUNT', 500)
  local late = #page == 0
  for _, entry in ipairs(page) do
    local id, fields = tonumber(string.match(entry[1], '^%d+')), entry[2]
    if id > committed or tonumber(fields[10]) >= before_ms then
      late = true
      break
    end
    cut = math.max(cut, id)
    from = '(' .. entry[1]
  end
  if late then break end
end
if cut > 0 then redis.call('XTRIM', changes, 'MINID', digits(cut + 1)) end
return math.max(cut, 0)
