-- One command over any number of arguments, in calls of some: Lua's stack ends at about 8,000.

local CHUNK = 2000 -- even, so that a field and its value stay together

local function call_in_chunks(command, key, arguments)
  for start = 1, #arguments, CHUNK do
    redis.call(command, key, unpack(arguments, start, math.min(start + CHUNK - 1, #arguments)))
  end
end

-- Answers by field what `command` (HMGET, SMISMEMBER) says of it.
local function read_in_chunks(command, key, fields)
  local values = {}
  for start = 1, #fields, CHUNK do
    local stop = math.min(start + CHUNK - 1, #fields)
    local answer = redis.call(command, key, unpack(fields, start, stop))
    for index = 1, #answer do values[fields[start + index - 1]] = answer[index] end
  end
  return values
end
