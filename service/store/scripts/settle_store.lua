local shard_count = KEYS[1]
local epoch = KEYS[2]
local servers = KEYS[3]
local begun = KEYS[4]
local shards = ARGV[1]
local new_epoch = ARGV[2]
local running = ARGV[3] -- `<node id>:<run id>` of every server that holds data, by spaces
local durable = ARGV[4] == '1' -- a restart of a server loses nothing that was acknowledged
local broken = ARGV[5] -- epoch of a log that has lost a shard; '' when none is known to be lost

-- Fixes the number of shards at the first start and the epoch of the log. A new epoch begins when
-- data may have been lost: a server has restarted that is not durable, or another one has taken its
-- place, whose copy may lag behind. A server that is gone took nothing along: what it had is now
-- at one of the others. Answers shards and epoch as they are stored now, and whether every shard
-- has begun.

local function runs(text)
  local found = {}
  for server in string.gmatch(text or '', '%S+') do
    local node, run = string.match(server, '^(%w*):(%w+)$')
    found[node] = run
  end
  return found
end

redis.call('SET', shard_count, shards, 'NX')
local stored = redis.call('GET', servers)
local run_before = runs(stored)
local lost = redis.call('EXISTS', epoch) == 0 or redis.call('GET', epoch) == broken
for node, run in pairs(runs(running)) do
  lost = lost or not run_before[node] or (not durable and run_before[node] ~= run)
end
if lost then redis.call('SET', epoch, new_epoch) end
if stored ~= running then redis.call('SET', servers, running) end
return { redis.call('GET', shard_count), redis.call('GET', epoch), redis.call('EXISTS', begun) }
