local record = KEYS[1]
local claim = ARGV[1]
local claim_ms = ARGV[2]

-- Claims a call for whoever carries it out. Answers '', or the record that is there: another claim,
-- or what became of the call.

local there = redis.call('GET', record)
if there then return there end
redis.call('SET', record, claim, 'PX', claim_ms)
return ''
