local accounts = KEYS[1]
local versions = KEYS[2]
local last = KEYS[3]
local before = KEYS[4]
local changes = KEYS[5]
local state = KEYS[6]
local first_item = 1 -- by item: account key, JSON ('' deletes), cause, version it must have ('' any, 0 none there)

-- Writes accounts, each by itself, and appends a change of each. Keeps what the monitor has committed in `before` until it has committed this.
-- Answers the newest change id, then by account its new version, or: -1 not there to delete, -2 another version.

local CHUNK = 2000 -- arguments of one call; Lua's stack ends at about 8,000

local function call_in_chunks(command, key, arguments)
  for start = 1, #arguments, CHUNK do
    redis.call(command, key, unpack(arguments, start, math.min(start + CHUNK - 1, #arguments)))
  end
end

local function read_in_chunks(key, fields)
  local values = {}
  for start = 1, #fields, CHUNK do
    local stop = math.min(start + CHUNK - 1, #fields)
    local answer = redis.call('HMGET', key, unpack(fields, start, stop))
    for index = 1, #answer do values[fields[start + index - 1]] = answer[index] end
  end
  return values
end

local server_time = redis.call('TIME')
local now = string.format('%.0f', tonumber(server_time[1]) * 1000 + math.floor(tonumber(server_time[2]) / 1000))
local counters = redis.call('HMGET', state, 'changes', 'changeId')
local change = tonumber(counters[1]) or 0
local committed = tonumber(counters[2]) or 0

local names = {}
for at = first_item, #ARGV, 4 do names[#names + 1] = ARGV[at] end
local doc_of = read_in_chunks(accounts, names)
local version_of = read_in_chunks(versions, names)
local last_of = read_in_chunks(last, names)
local written, new_before = {}, {}
local answers = { 0 }

for at = first_item, #ARGV, 4 do
  local key, doc, cause, expected = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local stored = doc_of[key]
  local version = tonumber(version_of[key] or '0')
  if expected ~= '' and (stored and version or 0) ~= tonumber(expected) then
    answers[#answers + 1] = -2
  elseif doc == '' and not stored then
    answers[#answers + 1] = -1
  else
    if tonumber(last_of[key] or '0') <= committed then
      new_before[#new_before + 1] = key
      new_before[#new_before + 1] = string.format('%.0f ', version) .. (stored or '')
    end
    change = change + 1
    doc_of[key] = doc ~= '' and doc or false
    version_of[key] = string.format('%.0f', version + 1)
    last_of[key] = string.format('%.0f', change)
    written[key] = true
    redis.call('XADD', changes, last_of[key] .. '-0', 'k', key, 'v', version_of[key], 'c', cause, 'd', doc, 't', now)
    answers[#answers + 1] = version + 1
  end
end

local new_docs, removed, new_versions, new_last = {}, {}, {}, {}
for key in pairs(written) do
  if doc_of[key] then
    new_docs[#new_docs + 1] = key
    new_docs[#new_docs + 1] = doc_of[key]
  else
    removed[#removed + 1] = key
  end
  new_versions[#new_versions + 1] = key
  new_versions[#new_versions + 1] = version_of[key]
  new_last[#new_last + 1] = key
  new_last[#new_last + 1] = last_of[key]
end
call_in_chunks('HSET', accounts, new_docs)
call_in_chunks('HDEL', accounts, removed)
call_in_chunks('HSET', versions, new_versions)
call_in_chunks('HSET', last, new_last)
call_in_chunks('HSET', before, new_before)
redis.call('HSET', state, 'changes', string.format('%.0f', change))
answers[1] = change
return answers
