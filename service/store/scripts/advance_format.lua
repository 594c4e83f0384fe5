local format = KEYS[1]
local lock = KEYS[2]
local token = ARGV[1]
local from = ARGV[2]
local to = ARGV[3]

-- Raises the version of the data, by who holds the lock. Data without a mark is of format 1.
-- Answers 0 when the lock, or the version, is another one by now.

if redis.call('GET', lock) ~= token then return 0 end
if (redis.call('GET', format) or '1') ~= from then return 0 end
redis.call('SET', format, to)
return 1
