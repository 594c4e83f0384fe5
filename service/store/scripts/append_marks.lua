local stream = KEYS[1]
local clock = KEYS[2]
local newest = KEYS[3]
local sources = KEYS[4]
local due_times = KEYS[5]
local qualities = KEYS[6]
local gates = KEYS[7]
local rules = KEYS[8]
local refusals = KEYS[9]
local producer = KEYS[10]
local by_source_time = ARGV[1] == 'source'
local max_ahead_ms = tonumber(ARGV[2])
local silence_ms = tonumber(ARGV[3]) -- after so much silence a clock entry; -1: none
local batch = tonumber(ARGV[4]) -- -1: nobody will send this again
local part = tonumber(ARGV[5])
local memory_ms = ARGV[6] -- how long a producer's last batch is remembered
local door_rule = ARGV[7] -- JSON: the rule of marks whose instrument has none of its own
-- From here on by mark: market name, source name, timestamp or '', payload, price, source.
local first_mark = 8

-- One pass in the order given. Answers by mark its market id or the code of its refusal, joined by
-- commas; a batch that was appended before answers what it answered then.

-- needs: chunks, numbers, mark_rules, mark_gate

local OWN_SOURCE, OWN_PRODUCER = 'own', ':own-marks'

if batch >= 0 then
  local known = redis.call('GET', producer)
  if known then
    local known_batch, known_part, results = string.match(known, '^(%d+) (%d+) (.*)$')
    known_batch, known_part = tonumber(known_batch), tonumber(known_part)
    if known_batch == batch and known_part == part then return results end
    local later = known_batch == batch and known_part > part
    if known_batch > batch or later then return 'repeated' end
  end
end

local by_composer = string.sub(producer, -#OWN_PRODUCER) == OWN_PRODUCER
local now = server_ms()
local state = redis.call('HMGET', clock, 'sequence', 'eventTime')
local sequence = tonumber(state[1]) or 0
local event_time = tonumber(state[2]) or 0
local before = event_time
local appended = false

local names, source_names = {}, {}
for at = first_mark, #ARGV, 6 do
  names[#names + 1] = ARGV[at]
  source_names[#source_names + 1] = ARGV[at + 1]
end
local newest_timestamp = read_in_chunks('HMGET', sources, source_names)
local rule_of = rules_by_name(rules, door_rule)
local new_timestamp, new_mark, new_due, new_quality, new_gate = {}, {}, {}, {}, {}
local refused_counts = {}

-- Quality by name: `<quality> <allows> <marks since it returned> <ms of the last of these>`; a name
-- that has none is good.
local known_quality = {}
if redis.call('HLEN', qualities) > 0 and #names > 0 then
  known_quality = read_in_chunks('HMGET', qualities, names)
end

local function append(kind, payload)
  sequence = sequence + 1
  appended = true
  local id, time = digits(sequence) .. '-0', digits(event_time)
  redis.call('XADD', stream, id, 'k', kind, 't', time, 'd', payload)
end

local function quoted(text)
  return (string.gsub(cjson.encode(text), '\\/', '/'))
end

local function quality_of(name)
  local known = known_quality[name]
  if not known then return 'good', 'liquidate', 0, 0 end
  local quality, allows, count, last = string.match(known, '^(%a+) (%a+) (%d+) (%d+)$')
  return quality, allows, tonumber(count), tonumber(last)
end

local function keep_quality(name, quality, allows, count, last)
  local told = quality .. ' ' .. allows .. ' ' .. digits(count) .. ' ' .. digits(last)
  local kept = quality ~= 'good' and told
  known_quality[name], new_quality[name] = kept, kept
end

-- Tells a symbol's quality where it is another, or allows something else.
local function tell_quality(name, quality)
  local allows = rule_of(name).allows[quality]
  local was, allowed = quality_of(name)
  if quality == was and allows == allowed then return end
  keep_quality(name, quality, allows, 0, 0)
  local bar = string.find(name, '|', 1, true)
  local venue, symbol = quoted(string.sub(name, 1, bar - 1)), quoted(string.sub(name, bar + 1))
  local word = '","allows":"' .. allows .. '"}'
  append('q', '{"venue":' .. venue .. ',"symbol":' .. symbol .. ',"quality":"' .. quality .. word)
end

local function flush_due()
  local arguments = {}
  for name, time in pairs(new_due) do
    arguments[#arguments + 1] = digits(time)
    arguments[#arguments + 1] = name
  end
  call_in_chunks('ZADD', due_times, arguments)
  new_due = {}
end

-- Every symbol whose next mark was due before the event time gets one notice, the longest overdue
-- first; it leaves `due_times` until its next mark. One that was about to return begins again.
local function append_stale()
  flush_due()
  local old = redis.call('ZRANGEBYSCORE', due_times, '-inf', '(' .. digits(event_time))
  if #old == 0 then return end
  for name, kept in pairs(read_in_chunks('HMGET', qualities, old)) do
    if known_quality[name] == nil then known_quality[name] = kept end
  end
  for _, name in ipairs(old) do
    local quality, allows = quality_of(name)
    if quality == 'stale' then keep_quality(name, quality, allows, 0, 0) end
    tell_quality(name, 'stale')
  end
  call_in_chunks('ZREM', due_times, old)
end

local function order_refusal(source_name, timestamp)
  if not timestamp then
    return by_source_time and 'timestamp_required' or nil
  end
  if not by_source_time and timestamp > now + max_ahead_ms then return 'future_timestamp' end
  local known = tonumber(newest_timestamp[source_name] or '')
  if known and timestamp < known then return 'stale_timestamp' end
  return nil
end

local function gate_of(name)
  local kept = new_gate[name]
  if not kept then
    local packed = redis.call('HGET', gates, name)
    kept = packed and cmsgpack.unpack(packed) or {s = {}}
    new_gate[name] = kept
  end
  return kept
end

-- A stale symbol is believed again after some marks at different times; until then it stays stale.
local function return_or_tell(name, quality, rule)
  local was, allows, count, last = quality_of(name)
  if was == 'stale' then
    if count == 0 or event_time > last then count = count + 1 end
    if count < rule.warmup_marks then
      keep_quality(name, was, allows, count, event_time)
      return
    end
  end
  tell_quality(name, quality)
end

local function move_time(time)
  if time <= event_time then return end
  event_time = time
  -- Before the mark that moved the time: its pools must not be judged on the others' old marks.
  append_stale()
end

local function take(name, price, source, payload, time, rule)
  local refused, quality = nil, 'good'
  if rule.own then
    if source ~= OWN_SOURCE then
      move_time(time)
      append('o', payload)
      return digits(sequence)
    end
    if not by_composer then return 'reserved_source' end
  elseif rule.band > 0 then
    refused, quality = judge_price(gate_of(name), source, price, time, rule)
    if refused then
      if quality and quality_of(name) ~= 'stale' then tell_quality(name, quality) end
      return refused
    end
  end
  new_due[name] = math.max(event_time, time) + rule.max_age_ms
  move_time(time)
  append('m', payload)
  local id = digits(sequence)
  new_mark[name] = id .. ' ' .. digits(event_time) .. ' ' .. payload
  -- After its mark: the pool is judged on the fresh mark, not on the old.
  return_or_tell(name, quality, rule)
  return id
end

local results = {}
for at = first_mark, #ARGV, 6 do
  local name, source_name = ARGV[at], ARGV[at + 1]
  local timestamp, payload = tonumber(ARGV[at + 2]), ARGV[at + 3]
  local outcome = order_refusal(source_name, timestamp)
  if not outcome then
    if timestamp then
      newest_timestamp[source_name] = timestamp
      new_timestamp[source_name] = timestamp
    end
    local time = math.max(event_time, by_source_time and timestamp or now)
    outcome = take(name, tonumber(ARGV[at + 4]), ARGV[at + 5], payload, time, rule_of(name))
  end
  if not tonumber(outcome) then
    local kept = new_mark[name] or redis.call('HEXISTS', newest, name) == 1
    local counter = outcome .. ' ' .. (kept and name or '')
    refused_counts[counter] = (refused_counts[counter] or 0) + 1
  end
  results[#results + 1] = outcome
end

if #results == 0 and not by_source_time and silence_ms >= 0 then
  event_time = math.max(event_time, now)
  append_stale()
  if not appended and event_time - before >= silence_ms then append('c', '{}') end
  if not appended then return '' end
end

local function flush(key, fields)
  local arguments = {}
  for field, value in pairs(fields) do
    arguments[#arguments + 1] = field
    arguments[#arguments + 1] = type(value) == 'number' and digits(value) or value
  end
  call_in_chunks('HSET', key, arguments)
end

flush_due()
flush(sources, new_timestamp)
flush(newest, new_mark)
for name, kept in pairs(new_gate) do new_gate[name] = cmsgpack.pack(kept) end
flush(gates, new_gate)
local good = {}
for name, kept in pairs(new_quality) do
  if not kept then
    good[#good + 1] = name
    new_quality[name] = nil
  end
end
flush(qualities, new_quality)
call_in_chunks('HDEL', qualities, good)
for counter, count in pairs(refused_counts) do redis.call('HINCRBY', refusals, counter, count) end
redis.call('HSET', clock, 'sequence', digits(sequence), 'eventTime', digits(event_time))
local answer = table.concat(results, ',')
if batch >= 0 then
  local memory = digits(batch) .. ' ' .. digits(part) .. ' ' .. answer
  redis.call('SET', producer, memory, 'PX', memory_ms)
end
return answer
