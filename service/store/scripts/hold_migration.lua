local lock = KEYS[1]
local token = ARGV[1]
local for_ms = tonumber(ARGV[2])

-- Keeps the lock on the format for so long more, or gives it back (0). Answers 0 when it is
-- somebody else's by now.

if redis.call('GET', lock) ~= token then return 0 end
if for_ms == 0 then redis.call('DEL', lock) else redis.call('PEXPIRE', lock, for_ms) end
return 1
