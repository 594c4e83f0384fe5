local shard_count = KEYS[1]
local epoch = KEYS[2]
local servers = KEYS[3]
local begun = KEYS[4]
local clock = KEYS[5]
local format = KEYS[6]
local shards = ARGV[1]
local new_epoch = ARGV[2]
local running = ARGV[3] -- `<node id>:<run id>` of every server that holds data, by spaces
local durable = ARGV[4] == '1' -- a restart of a server loses nothing that was acknowledged
local broken = ARGV[5] -- epoch of a log that has lost a shard; '' when none is known to be lost
local committed = tonumber(ARGV[6]) -- a market id that some shard has committed
local written = ARGV[7] -- the format in which we write

-- Fixes the number of shards at the first start and the epoch of the log. A new epoch begins when
-- data may have been lost: a server has restarted that is not durable, another one has taken its
-- place, whose copy may lag behind, or the market ends before what was committed. A server that is
-- gone took nothing along: what it had is now at one of the others. Answers shards, epoch and last
-- market id as they are stored now, whether every shard has begun, and the format of all this; data
-- of another format than ours is left as it is. What was written before formats had a mark is of 1.

-- needs: numbers

-- Readers may be ahead of what is left. An id that is given again would be taken for read, so the
-- market goes on beyond any that they can have seen: they notice that entries are gone.
local GAP = 1000000

local function runs(text)
  local found = {}
  for server in string.gmatch(text or '', '%S+') do
    local node, run = string.match(server, '^(%w*):(%w+)$')
    found[node] = run
  end
  return found
end

local there = redis.call('EXISTS', shard_count) == 1
redis.call('SET', format, there and '1' or written, 'NX')
local found = redis.call('GET', format)
if found ~= written then
  return { redis.call('GET', shard_count) or shards, '', 0, 0, found }
end
redis.call('SET', shard_count, shards, 'NX')
local stored = redis.call('GET', servers)
local run_before = runs(stored)
local sequence = tonumber(redis.call('HGET', clock, 'sequence') or '0')
local lost = redis.call('EXISTS', epoch) == 0
  or redis.call('GET', epoch) == broken
  or sequence < committed
for node, run in pairs(runs(running)) do
  lost = lost or not run_before[node] or (not durable and run_before[node] ~= run)
end
if lost then
  redis.call('SET', epoch, new_epoch)
  if sequence > 0 or committed > 0 then
    sequence = math.max(sequence, committed) + GAP
    redis.call('HSET', clock, 'sequence', digits(sequence))
  end
end
if stored ~= running then redis.call('SET', servers, running) end
return {
  redis.call('GET', shard_count),
  redis.call('GET', epoch),
  sequence,
  redis.call('EXISTS', begun),
  found,
}
