-- Takes back an acquire that nobody heard the answer of: as if it had never been granted. Where nobody
-- holds the lease, what is left behind for a second also stops that acquire if it comes only now.
--
-- KEYS  1 lease     as in acquire.lua
--       2 tick      as in acquire.lua
-- ARGV  1 identity  of the acquisition
--       2 channel   as in release.lua
-- Reply: 1 it had been granted and is free now | 0 the lease was not mine
--
-- Atomic, because neither the lease nor the tick of somebody else may be freed.

local identity = ARGV[1]
if KEYS[2] then
  local taken = redis.call('GET', KEYS[2])
  if taken and string.match(taken, '^%x+') == identity then
    redis.call('DEL', KEYS[2])
  end
end
local value = redis.call('GET', KEYS[1])
if not value then
  redis.call('SET', KEYS[1], '0 ' .. identity .. ' 0 0', 'PX', 1000)
  return 0
end
local token, holder, mark = string.match(value, '^(%d+) (%x+) %d+ ?(%l*)$')
if holder ~= identity or mark ~= '' and mark ~= 'pending' then
  return 0
end
redis.call('SET', KEYS[1], token .. ' ' .. identity .. ' 0 0', 'PX', 1000)
redis.pcall('PUBLISH', ARGV[2], 0)
return 1
