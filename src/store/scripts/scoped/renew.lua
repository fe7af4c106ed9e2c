-- Renews the lease of a resource.
--
-- KEYS  1 lease  as in acquire.lua
-- ARGV  1 held   its value while it is mine: '<token> <identity>'
--       2 ttl    in ms
-- Reply: 1 renewed | 0 nobody holds it | -1 another does, or did after me
--
-- Atomic, because the lease of somebody else must not be extended.

local value = redis.call('GET', KEYS[1])
if value == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
return value and -1 or 0
