-- Gives back the lease of a resource when its run is over.
--
-- KEYS  1 lease    as in acquire.lua
-- ARGV  1 mine     how its value begins while it is mine: '<token> <identity> '
--       2 minHold  nobody else gets it before so long after its grant, in microseconds
--       3 channel  on which a caller that waits is told in how many ms it can be had
-- Reply: 1 released | 0 it was not mine any more, nothing was changed
--
-- What is left behind holds the token for a second at least, so that a clock that was set back a
-- little cannot lower the next one.
--
-- Atomic, because a release that comes late must not free the lease of somebody else.

local mine = ARGV[1]
local value = redis.call('GET', KEYS[1])
if not value or string.find(value, mine, 1, true) ~= 1 or string.find(value, '^%d+ %d+$', #mine + 1) then
  return 0
end
-- As text: to write a number costs as much as a command.
local free_at, remaining, kept = '0', '0', '1000'
if ARGV[2] ~= '0' then
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  -- A token is the time of its grant, but for a clock that was set since.
  local granted = tonumber(string.match(mine, '^%d+'))
  local least = tonumber(ARGV[2])
  local left = math.min(math.max(granted + least - now, 0), least)
  free_at = string.format('%.0f', now + left)
  remaining = math.ceil(left / 1000)
  kept = math.max(remaining, 1000)
end
redis.call('SET', KEYS[1], mine .. remaining .. ' ' .. free_at, 'PX', kept)
-- Refused by an ACL, it leaves waiters to ask again by themselves.
redis.pcall('PUBLISH', ARGV[3], remaining)
return 1
