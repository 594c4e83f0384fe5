local seqs = KEYS[1]
local floors = KEYS[2]
local acks = KEYS[3]
local state = KEYS[4]
local log = KEYS[5]
local changes = KEYS[6]
local account = ARGV[1]
local seq = tonumber(ARGV[2])

-- Notes that an alert which is in the log was acknowledged, and tells the shard's owner by a change
-- of cause 'ack', whose version is 0 and whose JSON is the seq. Answers when it was acknowledged
-- first (ms) and the id of the change, 0 when it was known already; nothing when there is no such
-- alert.

-- needs: numbers

-- Alerts of a burst are in the log before their seqs are.
local function logged_ahead()
  local known = redis.call('HMGET', state, 'offset', 'ahead')
  local offset, ahead = tonumber(known[1]) or 0, tonumber(known[2]) or 0
  if ahead == 0 then return 0 end
  local settled, count = offset - ahead, 0
  for _, entry in ipairs(redis.call('XRANGE', log, digits(settled + 1) .. '-0', '+')) do
    local last = tonumber(string.match(entry[1], '^%d+'))
    local of_accounts = cjson.decode(entry[2][4])
    for index, name in ipairs(of_accounts) do
      if name == account and last - #of_accounts + index > settled then count = count + 1 end
    end
  end
  return count
end

local floor = tonumber(redis.call('HGET', floors, account)) or 0
local last = tonumber(redis.call('HGET', seqs, account)) or 0
if seq <= floor or (seq > last and seq > last + logged_ahead()) then return nil end

local name = account .. '-' .. digits(seq)
local known = redis.call('HGET', acks, name)
if known then return { tonumber(known), 0 } end
local now = server_ms()
redis.call('HSET', acks, name, digits(now))
local change = (tonumber(redis.call('HGET', state, 'changes')) or 0) + 1
redis.call('XADD', changes, digits(change) .. '-0', 't', digits(now),
  account, 0, 'ack', digits(seq))
redis.call('HSET', state, 'changes', digits(change))
return { now, change }
