local record = KEYS[1]
local claim = ARGV[1]
local outcome = ARGV[2] -- empty: the call may be made again
local kept_ms = ARGV[3]

-- Puts what became of a call in the place of its claim. Answers 1, or 0 when that is not there: it
-- has run out, or the outcome was stored with the write itself.

if redis.call('GET', record) ~= claim then return 0 end
if outcome == '' then
  redis.call('DEL', record)
else
  redis.call('SET', record, outcome, 'PX', kept_ms)
end
return 1
