local dead = KEYS[1]
local again = KEYS[2]
local letter = ARGV[1]
local still_dead = ARGV[2] -- what is left of it if it was sent in vain; empty: nothing
local letters_kept = tonumber(ARGV[3])

-- Takes a letter off those that are to be sent again. Answers 1, or 0 when it is not there:
-- somebody else has done it, or the webhook is gone.

if redis.call('LREM', again, 1, letter) == 0 then return 0 end
if still_dead ~= '' then
  redis.call('RPUSH', dead, still_dead)
  redis.call('LTRIM', dead, -letters_kept, -1)
end
return 1
