local changes = KEYS[1]
local state = KEYS[2]
local versions = KEYS[3]
local history = KEYS[4]
local before_ms = tonumber(ARGV[1])
local keep = tonumber(ARGV[2])
local most = tonumber(ARGV[3]) -- changes dropped in one step: a long one would hold everybody up

-- Drops account changes that are committed and either beyond the newest `keep` or older than
-- `before_ms`, but for those that share an entry with one that stays. A version that such a change
-- began and that ended later than that is still what alerts in the log were judged by: it goes into
-- the history, for as long again. Answers the id up to which changes are dropped, and 1 when there
-- is more to drop.

-- needs: chunks, numbers

local counters = redis.call('HMGET', state, 'changes', 'changeId')
local newest, committed = tonumber(counters[1]) or 0, tonumber(counters[2]) or 0
local cut = math.max(math.min(committed, newest - keep), 0)
local gone, seen, more, late = 0, 0, 0, false
local ended = {} -- by account, the last of its changes that are dropped: id, version, JSON

local function drop(entry)
  local last, fields = tonumber(string.match(entry[1], '^%d+')), entry[2]
  local count = (#fields - 2) / 4
  for place = 1, count do
    local at = 4 * place - 1
    if fields[at + 2] ~= 'ack' then
      ended[fields[at]] = { last - count + place, fields[at + 1], fields[at + 3] }
    end
  end
  gone, seen = last, seen + count
end

while not late do
  local page = redis.call('XRANGE', changes, '(' .. digits(gone) .. '-0', '+', 'COUNT', 20)
  late = #page == 0
  for _, entry in ipairs(page) do
    local last = tonumber(string.match(entry[1], '^%d+'))
    late = last > committed or (last > cut and tonumber(entry[2][2]) >= before_ms)
    if not late and seen >= most then late, more = true, 1 end
    if late then break end
    drop(entry)
  end
end

local names = {}
for name in pairs(ended) do names[#names + 1] = name end
local version_of = read_in_chunks('HMGET', versions, names)
for name, change in pairs(ended) do
  local last = string.match(version_of[name] or '', ' (%d+)$') or '0'
  if tonumber(last) > change[1] then
    redis.call('XADD', history, '*', 'k', name, 'v', change[2], 'd', change[3])
  end
end
if gone > 0 then
  redis.call('XTRIM', changes, 'MINID', digits(gone + 1))
  redis.call('HSET', state, 'dropped', digits(gone))
end
redis.call('XTRIM', history, 'MINID', digits(math.max(before_ms, 0)))
redis.call('XTRIM', history, 'MAXLEN', digits(keep + newest - gone)) -- no more than of changes
if more == 0 then gone = math.max(gone, cut) end
return { gone, more }
