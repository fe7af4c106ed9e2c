-- Raises the highest token that a resource has seen from one lease, and refuses a smaller one. With a
-- command, does that in the same step.
--
-- KEYS  1 fence  a hash: the highest token, by the name of the lease. Tokens of different leases do
--                not compare. It is kept for 30 days after its last use.
-- ARGV  1 lease  its name
--       2 token
--       3...     the command and its arguments, if there is one
-- Reply: {'passed', the command's reply}  nil without a command
--        {'stale', the highest token}     nothing was written
--        {'failed', words}                the command's own error; the token was seen all the same
--        {'denied', why}                  nothing was written; only a person can mend it
-- An error of the server is passed on as it is; then the command was not applied.
--
-- Atomic, because between a look at the token and the write a newer primary could have written.

local fence, lease, token = KEYS[1], ARGV[1], tonumber(ARGV[2])
local KEPT_MS = 30 * 24 * 3600 * 1000

local function failed(reply)
  return type(reply) == 'table' and reply.err
end

local found = redis.pcall('HGET', fence, lease)
if failed(found) then
  if string.find(found.err, 'WRONGTYPE', 1, true) then
    return {'denied', fence .. ' is not a hash: ' .. found.err}
  end
  return found
end
-- Digits only: tonumber() would read 'nan', which is not above any token.
if found and not string.find(found, '^%d+$') then
  return {'denied', fence .. ' has something else than a token under ' .. lease}
end
local highest = tonumber(found or '0')
if highest > token then
  return {'stale', found}
end
if highest < token then
  redis.call('HSET', fence, lease, ARGV[2])
end
redis.call('PEXPIRE', fence, KEPT_MS)
if #ARGV == 2 then
  return {'passed', false}
end
-- Last, so that whatever refuses the fence refuses the command with it.
local reply = redis.pcall(unpack(ARGV, 3))
if failed(reply) then
  return {'failed', reply.err}
end
return {'passed', reply}
