local state = KEYS[1]
local lease = KEYS[2]
local lease_ms = ARGV[1]

-- Makes the caller the owner of a shard without a live owner: its new fencing token shuts out
-- whoever owned it before. Answers the state to go on from; nothing while the owner is alive.

if redis.call('EXISTS', lease) == 1 then return false end
local token = redis.call('HINCRBY', state, 'token', 1)
redis.call('SET', lease, token, 'PX', lease_ms)
return redis.call('HMGET', state, 'token', 'commit', 'marketId', 'changeId', 'offset', 'changes',
  'ahead')
