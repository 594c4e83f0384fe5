local owner = KEYS[1]
local progress = KEYS[2]
local dead = KEYS[3]
local token = ARGV[1]
local webhook = ARGV[2]
local before = ARGV[3]
local after = ARGV[4]
local letter = ARGV[5] -- a delivery that was given up; empty: none
local letters_kept = tonumber(ARGV[6])

-- A step of a webhook's deliveries. Answers 'done', 'repeated' (it is stored already), 'lease_lost'
-- (somebody else delivers) or 'out_of_step' (the webhook is gone, or another one of its name).

if redis.call('HGET', owner, 'token') ~= token then return 'lease_lost' end
local stored = redis.call('HGET', progress, webhook)
if stored == after then return 'repeated' end
if stored ~= before then return 'out_of_step' end
redis.call('HSET', progress, webhook, after)
if letter ~= '' then
  redis.call('RPUSH', dead, letter)
  redis.call('LTRIM', dead, -letters_kept, -1)
end
return 'done'
