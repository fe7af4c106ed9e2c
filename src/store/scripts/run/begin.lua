-- Says that the run of a tick has begun: a server that asks for the tick need not wait any more to learn that.
--
-- KEYS  1 lease  as in acquire.lua
-- ARGV  1 mine   how its value begins while it is mine: '<token> <identity> '
-- Reply: 1 | 0 the lease was not mine, or that was known
--
-- Atomic, because the lease of somebody else must not be touched.

local value = redis.call('GET', KEYS[1])
local held = string.match(value or '', '^(%d+ %x+ %d+) pending$')
if not held or string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], held, 'KEEPTTL')
return 1
