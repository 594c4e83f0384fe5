-- The band and the cross-check of one symbol's marks; docs/marks.md has the rules in words.
--
-- A state is kept by symbol with a band: `p` the price that was let through last, `s` by source
-- what it said last {price, ms}, `h` the jump that is held {source, side, since ms, count, price}.

local FORGET_MS = 3600000 -- a source that said nothing for so long is none of the symbol's any more
local SOURCES_MAX = 16

local function near(price, other, band)
  return math.max(price, other) <= math.min(price, other) * (1 + band)
end

-- Answers how many other sources are known, how many of them are fresh, and how many of these agree
-- with a price; forgets those that are long gone.
local function heard(state, source, price, now, rule)
  local known, fresh, agree = 0, 0, 0
  for other, said in pairs(state.s) do
    if now - said[2] > FORGET_MS then
      state.s[other] = nil
    elseif other ~= source then
      known = known + 1
      if now - said[2] <= rule.max_age_ms then
        fresh = fresh + 1
        if near(price, said[1], rule.band) then agree = agree + 1 end
      end
    end
  end
  return known, fresh, agree
end

-- Of a source that is alone. A jump beyond the band is held until it has lasted: marks on the same
-- side of it, however far they went on, for a time that is longer where the scale is implausible.
local function lone(state, source, price, now, rule)
  local before, held = state.p, state.h
  if held and held[1] ~= source then held = nil end
  if not before then -- the first price of all is believed when the next one says the same
    if held and near(price, held[5], rule.band) then return nil end
    state.h = {source, 0, now, 1, price}
    return 'unconfirmed'
  end
  if near(price, before, rule.band) then return nil end
  local side = price > before and 1 or -1
  if not held or held[2] ~= side then held = {source, side, now, 0, price} end
  held[4], held[5] = held[4] + 1, price
  state.h = held
  local far = not near(price, before, rule.implausible_factor - 1)
  local wait_ms = far and rule.implausible_ms or rule.confirm_ms
  if held[4] >= rule.confirm_marks and now - held[3] >= wait_ms then return nil end
  return far and 'implausible' or 'beyond_band'
end

-- Answers why a price is not let through, or nil, and the symbol's quality by it (nil: as before).
local function judge_price(state, source, price, now, rule)
  local known, fresh, agree = heard(state, source, price, now, rule)
  if not state.s[source] and known >= SOURCES_MAX then return 'too_many_sources', nil end
  state.s[source] = {price, now}
  local refused, quality
  if fresh == 0 then
    refused = lone(state, source, price, now, rule)
    quality = state.p and 'suspect' or nil
  elseif 2 * agree < fresh then
    refused = fresh == 1 and 'disagreement' or 'outlier'
    -- Sources that are many against one leave the symbol as it is, if it is where they are.
    local there = 0
    for other, said in pairs(state.s) do
      local counts = other ~= source and now - said[2] <= rule.max_age_ms
      if counts and state.p and near(state.p, said[1], rule.band) then there = there + 1 end
    end
    quality = (fresh == 1 or 2 * there < fresh) and 'suspect' or nil
  end
  if refused then return refused, quality end
  state.p, state.h = price, nil
  local expected = math.max(rule.sources_min, known > 0 and 2 or 1)
  return nil, agree + 1 < expected and 'degraded' or 'good'
end
