-- Renews the lease of a resource, of a run that has begun, which begin.lua may not have told.
--
-- KEYS  1 lease  as in acquire.lua
-- ARGV  1 mine   how its value begins while it is mine: '<token> <identity> '
--       2 ttl    in ms
-- Reply: 1 renewed | 0 nobody holds it | -1 another does, or did after me
--
-- Atomic, because the lease of somebody else must not be extended.

local mine, ttl = unpack(ARGV)
local value = redis.call('GET', KEYS[1])
if not value then
  return 0
end
local held = mine .. ttl
if value == held then
  redis.call('PEXPIRE', KEYS[1], ttl)
  return 1
end
if string.sub(value, 1, #mine) ~= mine or string.find(value, '^%d+ %d+$', #mine + 1) then
  return -1
end
redis.call('SET', KEYS[1], held, 'PX', ttl)
return 1
