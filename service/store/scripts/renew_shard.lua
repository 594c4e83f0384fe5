local state = KEYS[1]
local lease = KEYS[2]
local token = ARGV[1]
local lease_ms = ARGV[2]

-- Says that the owner of a shard is alive. Answers 1, or 0 when it is not the owner any more. 0 ms
-- gives the shard back: its token is worth nothing then, so that a call that was on its way does
-- not take it again.

if redis.call('HGET', state, 'token') ~= token then return 0 end
if lease_ms == '0' then
  redis.call('DEL', lease)
  redis.call('HINCRBY', state, 'token', 1)
else
  redis.call('SET', lease, token, 'PX', lease_ms)
end
return 1
