local state = KEYS[1]
local claims = KEYS[2]
local token = ARGV[1]
local market_id = ARGV[2]
local told = ARGV[3]

-- Replaces what a shard's pools ask of the funds. Answers 'written'; 'lease_lost' when another
-- owner has the shard, 'ahead' when what is there is of a later market id: neither wrote anything.

-- needs: numbers

if redis.call('HGET', state, 'token') ~= token then return 'lease_lost' end
local there = redis.call('HGET', claims, 'marketId')
if there and tonumber(there) > tonumber(market_id) then return 'ahead' end
redis.call('HSET', claims, 'marketId', market_id, 'at', digits(server_ms()), 'told', told)
return 'written'
