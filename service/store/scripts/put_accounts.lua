local accounts = KEYS[1]
local versions = KEYS[2]
local last = KEYS[3]
local before = KEYS[4]
local changes = KEYS[5]
local state = KEYS[6]
local first_item = 1 -- by item: account key, JSON ('' deletes), cause, version it must have ('' any, 0 none there)

-- Writes accounts, each by itself, and appends a change of each. Keeps what the monitor has committed in `before` until it has committed this.
-- Answers the newest change id, then by account its new version, or: -1 not there to delete, -2 another version.

local server_time = redis.call('TIME')
local now = string.format('%.0f', tonumber(server_time[1]) * 1000 + math.floor(tonumber(server_time[2]) / 1000))
local counters = redis.call('HMGET', state, 'changes', 'changeId')
local change = tonumber(counters[1]) or 0
local committed = tonumber(counters[2]) or 0
local answers = { 0 }

for at = first_item, #ARGV, 4 do
  local key, doc, cause, expected = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local stored = redis.call('HGET', accounts, key)
  local version = tonumber(redis.call('HGET', versions, key) or '0')
  if expected ~= '' and (stored and version or 0) ~= tonumber(expected) then
    answers[#answers + 1] = -2
  elseif doc == '' and not stored then
    answers[#answers + 1] = -1
  else
    local previous = tonumber(redis.call('HGET', last, key) or '0')
    if previous <= committed then
      redis.call('HSET', before, key, string.format('%.0f ', version) .. (stored or ''))
    end
    change = change + 1
    version = version + 1
    local id, version_text = string.format('%.0f', change), string.format('%.0f', version)
    if doc == '' then
      redis.call('HDEL', accounts, key)
    else
      redis.call('HSET', accounts, key, doc)
    end
    redis.call('HSET', versions, key, version_text)
    redis.call('HSET', last, key, id)
    redis.call('XADD', changes, id .. '-0', 'k', key, 'v', version_text, 'c', cause, 'd', doc, 't', now)
    answers[#answers + 1] = version
  end
end

redis.call('HSET', state, 'changes', string.format('%.0f', change))
answers[1] = change
return answers
