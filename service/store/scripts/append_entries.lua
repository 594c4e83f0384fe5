local stream = KEYS[1]
local clock = KEYS[2]
local instruments = KEYS[3]
local rules = KEYS[4]
local by_source_time = ARGV[1] == 'source'
local first_entry = 2 -- from here on by entry: kind ('i' or 'a'), market name or '', payload

-- Appends instrument changes and notices of account changes. Answers the market id of each; 0 for
-- an instrument that is stored just so already, which makes a repeated call change nothing.

-- needs: numbers

local now = server_ms()
local state = redis.call('HMGET', clock, 'sequence', 'eventTime')
local sequence = tonumber(state[1]) or 0
local event_time = tonumber(state[2]) or 0
if not by_source_time then event_time = math.max(event_time, now) end

-- What the gate has to know of an instrument; most say nothing, and are not decoded.
local function rule_of_instrument(payload)
  local says = string.find(payload, '"markRule":{', 1, true)
  local makes = string.find(payload, '"ownMark":{', 1, true)
  if not (says or makes) then return nil end
  local document = cjson.decode(payload)
  local rule = document.markRule
  if document.ownMark then
    rule = rule or {}
    rule.own = true
  end
  return rule
end

local results = {}
for at = first_entry, #ARGV, 3 do
  local kind, name, payload = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if kind == 'i' and redis.call('HGET', instruments, name) == payload then
    results[#results + 1] = 0
  else
    sequence = sequence + 1
    local id, time = digits(sequence) .. '-0', digits(event_time)
    redis.call('XADD', stream, id, 'k', kind, 't', time, 'd', payload)
    if kind == 'i' then
      redis.call('HSET', instruments, name, payload)
      local rule = rule_of_instrument(payload)
      if rule then
        redis.call('HSET', rules, name, cjson.encode(rule))
      else
        redis.call('HDEL', rules, name)
      end
    end
    results[#results + 1] = sequence
  end
end
redis.call('HSET', clock, 'sequence', digits(sequence), 'eventTime', digits(event_time))
return results
