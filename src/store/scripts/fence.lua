-- Raises the highest token that a resource has seen from one lease, and refuses a smaller one. With a
-- command, does that in the same step.
--
-- KEYS  1 fence  a hash: the highest token, by the name of the lease. Tokens of different leases do
--                not compare. It is kept for 30 days after its last use.
-- ARGV  1 lease  its name
--       2 token
--       3...     the command and its arguments, if there is one
-- Reply: {'passed', the command's reply} | {'stale', the highest token}
-- An error of the command is passed on as it is; the token was seen all the same.
--
-- Atomic, because between a look at the token and the write a newer primary could have written.

local highest = redis.call('HGET', KEYS[1], ARGV[1])
if highest and tonumber(highest) > tonumber(ARGV[2]) then
  return {'stale', highest}
end
if highest ~= ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], 30 * 24 * 3600 * 1000)
if #ARGV == 2 then
  return {'passed'}
end
local reply = redis.pcall(unpack(ARGV, 3))
if type(reply) == 'table' and reply.err then
  return reply
end
return {'passed', reply}
