local accounts = KEYS[1]
local versions = KEYS[2]
local last = KEYS[3]
local before = KEYS[4]
local changes = KEYS[5]
local state = KEYS[6]
local first_item = 1 -- by item: account key, JSON ('' deletes), cause, version it must have

-- Writes accounts, each by itself, and appends a change of each. The version '' allows any, 0 none
-- there. Keeps what the monitor has committed in `before` until it has committed this. Answers the
-- newest change id, then by account its new version, or -1: not there to delete, -2: another one.

-- needs: chunks, numbers

local now = digits(server_ms())
local counters = redis.call('HMGET', state, 'changes', 'changeId')
local change = tonumber(counters[1]) or 0
local committed = tonumber(counters[2]) or 0

local names = {}
for at = first_item, #ARGV, 4 do names[#names + 1] = ARGV[at] end
local doc_of = read_in_chunks('HMGET', accounts, names)
local version_of = read_in_chunks('HMGET', versions, names)
local last_of = read_in_chunks('HMGET', last, names)
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
      new_before[#new_before + 1] = digits(version) .. ' ' .. (stored or '')
    end
    change = change + 1
    doc_of[key] = doc ~= '' and doc or false
    version_of[key] = digits(version + 1)
    last_of[key] = digits(change)
    written[key] = true
    local id = last_of[key] .. '-0'
    redis.call(
      'XADD', changes, id, 'k', key, 'v', version_of[key], 'c', cause, 'd', doc, 't', now
    )
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
redis.call('HSET', state, 'changes', digits(change))
answers[1] = change
return answers
