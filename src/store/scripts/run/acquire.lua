-- Asks for the lease of a resource, for one run.
--
-- KEYS  1 lease     a string that expires. While it is held: '<token> <identity> <ttl>', with ' pending'
--                   behind it until the run of a tick has begun. After a release:
--                   '<token> <identity> <kept> <free at>', where <kept> ms were left of its minHold and
--                   <free at> is Redis's clock in microseconds
--       2 tick      only for a run that is one tick of a schedule: '<identity> <memory>' of the grant
-- ARGV  1 identity  of the acquisition
--       2 ttl       in ms
--       3 memory    for how long the tick is remembered, in ms; only with KEYS[2]
--       4 latest    where the tick was pending: until when it is asked for, Redis's clock in microseconds
-- Reply: the token, an integer, where it is granted; else
--   {'held', ms}     by another, or its minHold stands, for so long yet
--   {'pending', latest}  for a tick alone: another was granted it and has not begun to run
--   {'pending'}          another was granted the lease, for another tick, and has not begun to run
--   {'ran'}          another was granted the lease for this tick
--   {'denied', why}  only a person can fix it
--
-- Atomic, because what was read decides what is written, and the tick is taken with the lease. Redis's
-- clock decides, and its expiry: nobody watches a resource between two runs. Where a time lies further
-- ahead than what was written with it, the clock was set back: it is cut to that.

local value = redis.call('GET', KEYS[1])
if not value and not KEYS[2] then
  -- Nearly always. As text the time is written exactly, and in half the time that a number takes.
  local time = redis.call('TIME')
  local token = time[1] .. string.sub('00000' .. time[2], -6)
  redis.call('SET', KEYS[1], token .. ' ' .. ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[2])
  return tonumber(token)
end

local identity, ttl, memory, latest = unpack(ARGV)
local LARGEST = 9007199254740991

local last, holder, kept, mark
if value then
  last, holder, kept, mark = string.match(value, '^(%d+) (%x+) (%d+) ?(%w*)$')
  if not last or mark ~= '' and mark ~= 'pending' and not tonumber(mark) then
    return {'denied', KEYS[1] .. ' is not a lease of this package'}
  end
  if tonumber(last) > LARGEST then
    return {'denied', KEYS[1] .. ' holds the token ' .. last .. ', which is above 2^53 - 1'}
  end
end

local function expires_in(key, written)
  local left = redis.call('PTTL', key)
  if left > tonumber(written) then
    redis.call('PEXPIRE', key, written)
    return tonumber(written)
  end
  return left
end

local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

if KEYS[2] then
  local taken = redis.call('GET', KEYS[2])
  local taker, written = string.match(taken or '', '^(%x+) (%d+)$')
  if taken and not taker then
    return {'denied', KEYS[2] .. ' is not a tick of this package'}
  end
  if taken and taker ~= identity then
    local left = expires_in(KEYS[2], written)
    if left < 0 then
      return {'denied', KEYS[2] .. ' never expires: nobody of this package wrote it so'}
    end
    if taker == holder and mark == 'pending' and expires_in(KEYS[1], kept) >= 0 then
      -- A little less than the key lasts: it is told in whole milliseconds.
      return {'pending', string.format('%.0f', now_us() + (left - 1) * 1000)}
    end
    return {'ran'}
  end
  -- The tick that was pending is forgotten: what is present by now is another one.
  if latest and taker ~= identity and holder ~= identity and now_us() > tonumber(latest) then
    return {'ran'}
  end
end

local now = now_us()
local token = now
if value then
  local free_at = tonumber(mark)
  if holder ~= identity and not free_at then
    local left = expires_in(KEYS[1], kept)
    if left < 0 then
      return {'denied', KEYS[1] .. ' never expires: nobody of this package wrote it so'}
    end
    if KEYS[2] and mark == 'pending' then
      return {'pending'}
    end
    return {'held', tostring(left)}
  end
  if not free_at then
    -- The reply to our grant was lost.
    redis.call('PEXPIRE', KEYS[1], ttl)
    return tonumber(last)
  end
  -- A late duplicate of the acquire whose run is over must not take it again.
  if holder == identity then
    return {'held', '0'}
  end
  if now < free_at then
    local left = math.ceil((free_at - now) / 1000)
    if left > tonumber(kept) then
      left = tonumber(kept)
      local cut = string.format('%s %s %s %.0f', last, holder, kept, now + left * 1000)
      redis.call('SET', KEYS[1], cut, 'PX', math.max(left, 1000))
    end
    return {'held', string.format('%.0f', left)}
  end
  -- Also where the clock was set back a little since.
  token = math.max(now, last + 1)
end
if token > LARGEST then
  return {'denied', KEYS[1] .. ' holds the token ' .. last .. ', and none above it is below 2^53'}
end

local held = string.format('%.0f %s %s', token, identity, ttl)
if KEYS[2] then
  redis.call('SET', KEYS[1], held .. ' pending', 'PX', ttl)
  redis.call('SET', KEYS[2], identity .. ' ' .. memory, 'PX', memory)
else
  redis.call('SET', KEYS[1], held, 'PX', ttl)
end
return token
