-- Asks for the lease of a resource, for one run.
--
-- KEYS  1 lease     a string, '<token> <identity>' while it is held. After a release
--                   '<token> <identity> <free at>', Redis's clock in microseconds. It expires.
--       2 tick      only for a run that is one tick of a schedule: the identity that was granted it
-- ARGV  1 identity  of the acquisition
--       2 ttl       in ms
--       3 memory    for how long the tick is remembered, in ms; only with KEYS[2]
-- Reply: the token, an integer, where it is granted; else
--   {'held', ms}     by another, or its minHold stands, for so long yet
--   {'ran'}          another was granted the lease for this tick
--   {'denied', why}  only a person can mend it
--
-- Atomic, because what was read decides what is written, and the tick is taken with the lease. Redis's
-- clock decides, and its expiry: nobody watches a resource between two runs.

local identity, ttl, memory = unpack(ARGV)

if KEYS[2] then
  local taker = redis.call('GET', KEYS[2])
  if taker and taker ~= identity then
    return {'ran'}
  end
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local token = now
local value = redis.call('GET', KEYS[1])
if value then
  local last, holder, free_at = string.match(value, '^(%d+) (%x+) ?(%d*)$')
  if not last then
    return {'denied', KEYS[1] .. ' is not a lease of this package'}
  end
  if free_at == '' then
    if holder ~= identity then
      local left = redis.call('PTTL', KEYS[1])
      if left < 0 then
        return {'denied', KEYS[1] .. ' never expires: nobody of this package wrote it so'}
      end
      return {'held', tostring(left)}
    end
    -- The reply to our grant was lost.
    redis.call('PEXPIRE', KEYS[1], ttl)
    return tonumber(last)
  end
  -- A late duplicate of the acquire whose run is over must not take it again.
  if holder == identity then
    return {'held', '0'}
  end
  if now < tonumber(free_at) then
    return {'held', string.format('%.0f', math.ceil((free_at - now) / 1000))}
  end
  -- Also where the clock was set back a little since.
  token = math.max(now, last + 1)
end
if token > 9007199254740991 then
  return {'denied', KEYS[1] .. ' has a token at its limit'}
end

redis.call('SET', KEYS[1], string.format('%.0f %s', token, identity), 'PX', ttl)
if KEYS[2] then
  redis.call('SET', KEYS[2], identity, 'PX', memory)
end
return token
