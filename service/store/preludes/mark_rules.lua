-- The rule of a symbol's marks: what its instrument says, else generic's of the symbol, and what
-- neither says is the rule of the door that the marks come in by. JSON, names as in the contract.

local function read_rule(text, door)
  local given = cjson.decode(text)
  local function seconds(name) return given[name] and given[name] * 1000 end
  local rule = {
    band = given.band,
    confirm_ms = seconds('confirmS'),
    confirm_marks = given.confirmMarks,
    implausible_factor = given.implausibleFactor,
    implausible_ms = seconds('implausibleS'),
    warmup_marks = given.warmupMarks,
    max_age_ms = seconds('maxAgeS'),
    sources_min = given.sourcesMin,
    allows = given.allows or {},
    own = given.own or false, -- its marks are made here, of what others say
  }
  if door then
    for name, value in pairs(door) do
      if rule[name] == nil then rule[name] = value end
    end
    for quality, allows in pairs(door.allows) do
      if rule.allows[quality] == nil then rule.allows[quality] = allows end
    end
  end
  return rule
end

-- Answers a function from a market's name to its rule.
local function rules_by_name(rules, door_text)
  local door = read_rule(door_text)
  door.allows.good = 'liquidate'
  if redis.call('HLEN', rules) == 0 then
    return function() return door end
  end
  local known = {}
  return function(name)
    if not known[name] then
      local symbol = string.match(name, '|.*$')
      local found = redis.call('HMGET', rules, name, 'generic' .. symbol)
      local text = found[1] or found[2]
      known[name] = text and read_rule(text, door) or door
    end
    return known[name]
  end
end
