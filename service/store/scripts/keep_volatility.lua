local volatility = KEYS[1]
local expected = ARGV[1] -- the market id of what is there; empty: nothing is
local market_id = ARGV[2]
local state = ARGV[3]

-- Puts a state in the place of the one that its writer went on from. Answers 1, or 0 when another
-- is there by now.

if (redis.call('HGET', volatility, 'id') or '') ~= expected then return 0 end
redis.call('HSET', volatility, 'id', market_id, 'state', state)
return 1
