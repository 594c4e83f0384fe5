local accounts = KEYS[1]
local versions = KEYS[2]
local before = KEYS[3]
local state = KEYS[4]
local of_before = ARGV[1] == 'before'
local cursor = ARGV[2]
local count = ARGV[3]

-- One step of a scan over the accounts as of the committed change id. Answers the next cursor, then
-- by account its key, version, JSON. Step 'accounts' goes over what is stored now, replaced by what
-- was committed where they differ; step 'before' over the replacements, for those that are deleted
-- now. An account that came after the committed change id is in neither.

-- needs: chunks

local committed = tonumber(redis.call('HGET', state, 'changeId') or '0')
local page = redis.call('HSCAN', of_before and before or accounts, cursor, 'COUNT', count)
local answers = { page[1] }

local function add(key, version, doc)
  if doc ~= '' then
    answers[#answers + 1] = key
    answers[#answers + 1] = version
    answers[#answers + 1] = doc
  end
end

local function add_replacement(key, replacement)
  local space = string.find(replacement, ' ', 1, true)
  add(key, string.sub(replacement, 1, space - 1), string.sub(replacement, space + 1))
end

local names = {}
for at = 1, #page[2], 2 do names[#names + 1] = page[2][at] end
local version_of = read_in_chunks('HMGET', versions, names)

for at = 1, #page[2], 2 do
  local key, doc = page[2][at], page[2][at + 1]
  local version, last = string.match(version_of[key], '^(%d+) (%d+)$')
  if tonumber(last) > committed then
    add_replacement(key, of_before and doc or redis.call('HGET', before, key))
  elseif not of_before then
    add(key, version, doc)
  end
end
return answers
