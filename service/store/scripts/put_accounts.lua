local accounts = KEYS[1]
local versions = KEYS[2]
local before = KEYS[3]
local changes = KEYS[4]
local state = KEYS[5]
local history = KEYS[6]
local call = KEYS[7] -- the record of the call that writes, where that is done once
local cause = ARGV[1]
local claim = ARGV[2] -- what that record must say
local outcome = ARGV[3] -- and says when it is done
local kept_ms = ARGV[4]
local first_item = 5 -- by item: account key, JSON ('' deletes), version it must have

-- Writes accounts, each by itself, and appends their changes. The version '' allows any, 0 none
-- there. Keeps what the monitor has committed in `before` until it has committed this. Answers the
-- newest change id, then by account its new version, or -1: not there to delete, -2: another one,
-- -3: the call is not ours (any more). A call that is done once writes one account.
-- A version that ends now, and whose change is no longer among `changes`, goes into the history.

-- needs: chunks, numbers

local CHANGES_AN_ENTRY = 100

if call and redis.call('GET', call) ~= claim then return { 0, -3 } end
local now = digits(server_ms())
local counters = redis.call('HMGET', state, 'changes', 'changeId', 'dropped')
local change = tonumber(counters[1]) or 0
local committed = tonumber(counters[2]) or 0
local dropped = tonumber(counters[3]) or 0

local names = {}
for at = first_item, #ARGV, 3 do names[#names + 1] = ARGV[at] end
local doc_of = read_in_chunks('HMGET', accounts, names)
local version_of = read_in_chunks('HMGET', versions, names)
local written, new_before = {}, {}
local answers = { 0 }
local entry = { 't', now }

local function append_entry()
  if #entry > 2 then redis.call('XADD', changes, digits(change) .. '-0', unpack(entry)) end
  entry = { 't', now }
end

for at = first_item, #ARGV, 3 do
  local key, doc, expected = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local stored = doc_of[key]
  local version, last = 0, 0
  if version_of[key] then
    version, last = string.match(version_of[key], '^(%d+) (%d+)$')
    version, last = tonumber(version), tonumber(last)
  end
  if expected ~= '' and (stored and version or 0) ~= tonumber(expected) then
    answers[#answers + 1] = -2
  elseif doc == '' and not stored then
    answers[#answers + 1] = -1
  else
    if last <= committed then
      new_before[#new_before + 1] = key
      new_before[#new_before + 1] = digits(version) .. ' ' .. (stored or '')
    end
    if version > 0 and last <= dropped then
      redis.call('XADD', history, '*', 'k', key, 'v', digits(version), 'd', stored or '')
    end
    if #entry >= 2 + 4 * CHANGES_AN_ENTRY then append_entry() end
    change = change + 1
    doc_of[key] = doc ~= '' and doc or false
    version_of[key] = digits(version + 1) .. ' ' .. digits(change)
    written[key] = true
    local filled = #entry
    entry[filled + 1] = key
    entry[filled + 2] = digits(version + 1)
    entry[filled + 3] = cause
    entry[filled + 4] = doc
    answers[#answers + 1] = version + 1
  end
end
append_entry()

local new_docs, removed, new_versions = {}, {}, {}
for key in pairs(written) do
  if doc_of[key] then
    new_docs[#new_docs + 1] = key
    new_docs[#new_docs + 1] = doc_of[key]
  else
    removed[#removed + 1] = key
  end
  new_versions[#new_versions + 1] = key
  new_versions[#new_versions + 1] = version_of[key]
end
call_in_chunks('HSET', accounts, new_docs)
call_in_chunks('HDEL', accounts, removed)
call_in_chunks('HSET', versions, new_versions)
call_in_chunks('HSET', before, new_before)
redis.call('HSET', state, 'changes', digits(change))
if call and answers[2] > 0 then redis.call('SET', call, outcome, 'PX', kept_ms) end
answers[1] = change
return answers
