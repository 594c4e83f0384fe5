local state = KEYS[1]
local before = KEYS[2]
local versions = KEYS[3]
local changes = KEYS[4]
local levels = KEYS[5]
local seqs = KEYS[6]
local log = KEYS[7]
local times = KEYS[8]
local token = ARGV[1]
local number = tonumber(ARGV[2])
local market_id = ARGV[3]
local change_id = ARGV[4]
local offset = tonumber(ARGV[5]) -- of the log before this commit
local ahead = ARGV[6] -- alerts in the log, with these, beyond this position
local drained = cmsgpack.unpack(ARGV[7]) -- account key, its newest change id up to change_id, ...
local kept = cmsgpack.unpack(ARGV[8]) -- account key, JSON of its levels, ...
local removed = cmsgpack.unpack(ARGV[9]) -- account keys whose levels are all at rest
local numbered = cmsgpack.unpack(ARGV[10]) -- account key, seq, ...
local channel = ARGV[11] -- on which those who follow the log are sent its new entries; '': on none
local entries = ARGV[12] -- as they are sent
local blocks_at = 13 -- fives: alerts in the entry; account keys, alerts, runs, traces (JSON) or ''

-- One commit of a shard's owner: input position, levels, seqs and alerts in one step. Everything is
-- checked before anything is written. Answers 'committed', 'repeated' (this commit is stored
-- already), 'lease_lost' or 'out_of_step' (it does not follow what is stored).

-- needs: chunks, numbers

local stored =
  redis.call('HMGET', state, 'token', 'commit', 'marketId', 'changeId', 'offset', 'logTime')
if stored[1] ~= token then return 'lease_lost' end
local stored_number = tonumber(stored[2]) or 0
if number == stored_number then return 'repeated' end
if number ~= stored_number + 1
  or tonumber(market_id) < (tonumber(stored[3]) or 0)
  or tonumber(change_id) < (tonumber(stored[4]) or 0)
  or offset ~= (tonumber(stored[5]) or 0) then
  return 'out_of_step'
end

-- Its version and JSON; an entry has the id of the last of its changes.
local function doc_of_change(id)
  local entry = redis.call('XRANGE', changes, id .. '-0', '+', 'COUNT', 1)[1]
  if not entry then return nil end
  local last, fields = tonumber(string.match(entry[1], '^%d+')), entry[2]
  local at = #fields - 4 * (last - tonumber(id) + 1) -- behind it: key, version, cause, JSON
  if at < 2 then return nil end
  return fields[at + 2] .. ' ' .. fields[at + 4]
end

-- An account whose newest change is in this commit needs no `before` any more; one that changed
-- again meanwhile gets what is committed now.
local names, settled, overtaken = {}, {}, {}
for at = 1, #drained, 2 do names[#names + 1] = drained[at] end
local version_of = read_in_chunks('HMGET', versions, names)
for at = 1, #drained, 2 do
  local key, id = drained[at], drained[at + 1]
  local last = string.match(version_of[key] or '', ' (%d+)$') or '0'
  if tonumber(last) <= tonumber(change_id) then
    settled[#settled + 1] = key
  else
    local doc = doc_of_change(id)
    if not doc then return 'out_of_step' end
    overtaken[#overtaken + 1] = key
    overtaken[#overtaken + 1] = doc
  end
end
call_in_chunks('HDEL', before, settled)
call_in_chunks('HSET', before, overtaken)
call_in_chunks('HDEL', levels, removed)
call_in_chunks('HSET', levels, kept)
call_in_chunks('HSET', seqs, numbered)

local log_time = tonumber(stored[6]) or 0
if blocks_at <= #ARGV then log_time = math.max(log_time, server_ms()) end
for at = blocks_at, #ARGV, 5 do
  offset = offset + tonumber(ARGV[at])
  local id = digits(offset)
  local entry = {'n', ARGV[at], 'accounts', ARGV[at + 1], 'alerts', ARGV[at + 2]}
  entry[7], entry[8] = 'runs', ARGV[at + 3]
  if ARGV[at + 4] ~= '' then
    entry[9], entry[10] = 'traces', ARGV[at + 4]
  end
  redis.call('XADD', log, id .. '-0', unpack(entry))
  redis.call('ZADD', times, digits(log_time), id)
end
redis.call('HSET', state, 'commit', ARGV[2], 'marketId', market_id, 'changeId', change_id,
  'offset', digits(offset), 'ahead', ahead, 'logTime', digits(log_time))
if channel ~= '' then redis.call('PUBLISH', channel, entries) end
return 'committed'
