local funds = KEYS[1]
local fund = ARGV[1]
local wanted = ARGV[2] -- '': any version; '*': any there is; else versions between commas, 0: none
local doc = ARGV[3]
local funds_most = tonumber(ARGV[4])

-- Stores a fund. Answers its version; -1 when it has another one than was wanted, -2 when there are
-- as many funds as there may be.

local stored = redis.call('HGET', funds, fund)
local version = stored and string.match(stored, '^%d+') or '0'
if wanted == '*' and not stored then return -1 end
if wanted ~= '' and wanted ~= '*' and not string.find(wanted, ',' .. version .. ',', 1, true) then
  return -1
end
if not stored and redis.call('HLEN', funds) >= funds_most then return -2 end
version = tonumber(version) + 1
redis.call('HSET', funds, fund, version .. ' ' .. doc)
return version
