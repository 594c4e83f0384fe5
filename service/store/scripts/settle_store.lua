local shard_count = KEYS[1]
local epoch = KEYS[2]
local server = KEYS[3]
local shards = ARGV[1]
local new_epoch = ARGV[2]
local run_id = ARGV[3]
local durable = ARGV[4] == '1' -- a restart of the server loses nothing that was acknowledged

-- Fixes the number of shards at the first start and the epoch of the log. Answers both as they are
-- stored now.

redis.call('SET', shard_count, shards, 'NX')
local stored_run = redis.call('GET', server)
if redis.call('EXISTS', epoch) == 0 or (not durable and stored_run ~= run_id) then
  redis.call('SET', epoch, new_epoch)
end
if stored_run ~= run_id then redis.call('SET', server, run_id) end
return { redis.call('GET', shard_count), redis.call('GET', epoch) }
