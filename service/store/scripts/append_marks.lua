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
local silence_ms = tonumber(ARGV[4]) -- a clock entry when the stream was silent for so long; -1: none
local batch = tonumber(ARGV[5]) -- -1: nobody will send this again
local part = tonumber(ARGV[6])
local memory_ms = ARGV[7] -- how long a producer's last batch is remembered
local first_mark = 8 -- from here on by mark: market name, source name, timestamp or '', payload

-- One pass in the order given. Answers by mark its market id or the code of its refusal, joined by commas; a batch that was appended before
-- answers what it answered then.

local CHUNK = 2000 -- arguments of one call; Lua's stack ends at about 8,000

local function call_in_chunks(command, key, arguments)
  for start = 1, #arguments, CHUNK do
    redis.call(command, key, unpack(arguments, start, math.min(start + CHUNK - 1, #arguments)))
  end
end

local function read_in_chunks(command, key, fields)
  local values = {}
  for start = 1, #fields, CHUNK do
    local stop = math.min(start + CHUNK - 1, #fields)
    local answer = redis.call(command, key, unpack(fields, start, stop))
    for index = 1, #answer do values[fields[start + index - 1]] = answer[index] end
  end
  return values
end

if batch >= 0 then
  local known = redis.call('GET', producer)
  if known then
    local known_batch, known_part, results = string.match(known, '^(%d+) (%d+) (.*)$')
    known_batch, known_part = tonumber(known_batch), tonumber(known_part)
    if known_batch == batch and known_part == part then return results end
    if known_batch > batch or (known_batch == batch and known_part > part) then return 'repeated' end
  end
end

local server_time = redis.call('TIME')
local now = tonumber(server_time[1]) * 1000 + math.floor(tonumber(server_time[2]) / 1000)
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
  redis.call('XADD', stream, string.format('%.0f-0', sequence), 'k', kind, 't', string.format('%.0f', event_time), 'd', payload)
end

local function quoted(text)
  return (string.gsub(cjson.encode(text), '\\/', '/'))
end

local function append_quality(name, stale)
  local bar = string.find(name, '|', 1, true)
  local venue, symbol = quoted(string.sub(name, 1, bar - 1)), quoted(string.sub(name, bar + 1))
  append('q', '{"venue":' .. venue .. ',"symbol":' .. symbol .. ',"stale":' .. tostring(stale) .. '}')
end

local function flush_times()
  local arguments = {}
  for name, time in pairs(new_time) do
    arguments[#arguments + 1] = string.format('%.0f', time)
    arguments[#arguments + 1] = name
  end
  call_in_chunks('ZADD', times, arguments)
  new_time = {}
end

-- Every symbol that is too old at the event time gets one notice, oldest first; a stale one leaves `times` until its next mark.
local function append_stale()
  flush_times()
  local bound = string.format('(%.0f', event_time - max_age_ms)
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
  local name, source_name, timestamp, payload = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
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
      append_stale() -- before the mark that moved the time: its pools must not be judged on the others' old marks
    end
    append('m', payload)
    local id = string.format('%.0f', sequence)
    results[#results + 1] = id
    new_mark[name] = id .. ' ' .. string.format('%.0f', event_time) .. ' ' .. payload
    if is_stale[name] == 1 then
      append_quality(name, false) -- after its mark: the pool is judged on the fresh mark, not on the old
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
    arguments[#arguments + 1] = type(value) == 'number' and string.format('%.0f', value) or value
  end
  call_in_chunks('HSET', key, arguments)
end

flush_times()
flush(sources, new_timestamp)
flush(newest, new_mark)
redis.call('HSET', clock, 'sequence', string.format('%.0f', sequence), 'eventTime', string.format('%.0f', event_time))
local answer = table.concat(results, ',')
if batch >= 0 then
  redis.call('SET', producer, string.format('%.0f %.0f ', batch, part) .. answer, 'PX', memory_ms)
end
return answer
