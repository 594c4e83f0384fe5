local dead = KEYS[1]
local again = KEYS[2]
local beginning = ARGV[1] -- of the JSON of those wanted; empty: all

-- Moves dead letters to those that are to be sent again. Answers how many.

local moved = 0
for _, letter in ipairs(redis.call('LRANGE', dead, 0, -1)) do
  if string.sub(letter, 1, #beginning) == beginning then
    redis.call('LREM', dead, 1, letter)
    redis.call('RPUSH', again, letter)
    moved = moved + 1
  end
end
return moved
