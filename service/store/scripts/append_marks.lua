local stream = KEYS[1]
local clock = KEYS[2]
local newest = KEYS[3]
local sources = KEYS[4]
local times = KEYS[5]
local stale_set = KEYS[6]
local producer = KEYS[7]
local by_source_time = ARGV[1] == 'source'
local max_age_ms = tonumber(ARGV[2])
local max_ahead_ms = tonumber(ARGV[3])
local silence_ms = tonumber(ARGV[4]) -- after so much silence a clock entry; -1: none
local batch = tonumber(ARGV[5]) -- -1: nobody will send this again
local part = tonumber(ARGV[6])
local memory_ms = ARGV[7] -- how long a producer's last batch is remembered
local first_mark = 8 -- from here on by mark: market name, source name, timestamp or '', payload

-- One pass in the order given. Answers by mark its market id or the code of its refusal, joined by
-- commas; a batch that was appended before answers what it answered then.

-- needs: chunks, numbers

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

local now = server_ms()
local state = redis.call('HMGET', clock, 'sequence', 'eventTime')
local sequence = tonumber(state[1]) or 0
local event_time = tonumber(state[2]) or 0
local before = event_time
local appended = false

local names, source_names = {}, {}
for at = first_mark, #ARGV, 4 do
  names[#names + 1] = ARGV[at]
  source_names[#source_names + 1] = ARGV[at + 1]
end
local newest_timestamp = read_in_chunks('HMGET', sources, source_names)
local is_stale = {}
if #names > 0 and redis.call('SCARD', stale_set) > 0 then
  is_stale = read_in_chunks('SMISMEMBER', stale_set, names)
end
local new_timestamp, new_mark, new_time = {}, {}, {}

local function append(kind, payload)
  sequence = sequence + 1
  appended = true
  local id, time = digits(sequence) .. '-0', digits(event_time)
  redis.call('XADD', stream, id, 'k', kind, 't', time, 'd', payload)
end

local function quoted(text)
  return (string.gsub(cjson.encode(text), '\\/', '/'))
end

local function append_quality(name, stale)
  local bar = string.find(name, '|', 1, true)
  local venue, symbol = quoted(string.sub(name, 1, bar - 1)), quoted(string.sub(name, bar + 1))
  local market = '"venue":' .. venue .. ',"symbol":' .. symbol
  append('q', '{' .. market .. ',"stale":' .. tostring(stale) .. '}')
end

local function flush_times()
  local arguments = {}
  for name, time in pairs(new_time) do
    arguments[#arguments + 1] = digits(time)
    arguments[#arguments + 1] = name
  end
  call_in_chunks('ZADD', times, arguments)
  new_time = {}
end

-- Every symbol that is too old at the event time gets one notice, oldest first; a stale one leaves
-- `times` until its next mark.
local function append_stale()
  flush_times()
  local bound = '(' .. digits(event_time - max_age_ms)
  local old = redis.call('ZRANGEBYSCORE', times, '-inf', bound)
  for _, name in ipairs(old) do
    append_quality(name, true)
    is_stale[name] = 1
  end
  call_in_chunks('SADD', stale_set, old)
  call_in_chunks('ZREM', times, old)
end

local function refusal(source_name, timestamp)
  if not timestamp then
    return by_source_time and 'timestamp_required' or nil
  end
  if not by_source_time and timestamp > now + max_ahead_ms then return 'future_timestamp' end
  local known = tonumber(newest_timestamp[source_name] or '')
  if known and timestamp < known then return 'stale_timestamp' end
  return nil
end

local results = {}
for at = first_mark, #ARGV, 4 do
  local name, source_name = ARGV[at], ARGV[at + 1]
  local timestamp, payload = tonumber(ARGV[at + 2]), ARGV[at + 3]
  local refused = refusal(source_name, timestamp)
  if refused then
    results[#results + 1] = refused
  else
    if timestamp then
      newest_timestamp[source_name] = timestamp
      new_timestamp[source_name] = timestamp
    end
    local time = by_source_time and timestamp or now
    new_time[name] = math.max(event_time, time)
    if time > event_time then
      event_time = time
      -- Before the mark that moved the time: its pools must not be judged on the others' old marks.
      append_stale()
    end
    append('m', payload)
    local id = digits(sequence)
    results[#results + 1] = id
    new_mark[name] = id .. ' ' .. digits(event_time) .. ' ' .. payload
    if is_stale[name] == 1 then
      -- After its mark: the pool is judged on the fresh mark, not on the old.
      append_quality(name, false)
      redis.call('SREM', stale_set, name)
      is_stale[name] = 0
    end
  end
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

flush_times()
flush(sources, new_timestamp)
flush(newest, new_mark)
redis.call('HSET', clock, 'sequence', digits(sequence), 'eventTime', digits(event_time))
local answer = table.concat(results, ',')
if batch >= 0 then
  local memory = digits(batch) .. ' ' .. digits(part) .. ' ' .. answer
  redis.call('SET', producer, memory, 'PX', memory_ms)
end
return answer
