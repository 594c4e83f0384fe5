local secrets = KEYS[1]
local webhook = ARGV[1]
local secret = ARGV[2]
local good_until_ms = ARGV[3] -- of the secret there is now

-- Gives a webhook a new secret. Answers 1, or 0 when there is no such webhook.

local stored = redis.call('HGET', secrets, webhook)
if not stored then return 0 end
local current = string.match(stored, '^%S+')
redis.call('HSET', secrets, webhook, secret .. ' ' .. current .. ' ' .. good_until_ms)
return 1
