-- Raises the highest token that a resource has seen from one lease, and refuses a smaller one. With a
-- command, does that in the same step.
--
-- KEYS  1 fence       a hash without an expiry: the highest token, by the name of the lease. Tokens of
--                     different leases do not compare.
-- ARGV  1 lease       its name
--       2 token
--       3 connection  0, or how many connections with unanswered commands this process had before
--       4...          the command and its arguments, if there is one
-- Reply: {'passed', the command's reply}  nil without a command
--        {'integer', digits}              as passed, for an integer that Lua would round
--        {'stale', the highest token}     nothing was written
--        {'late', ''}                     nothing was written; a later connection of this lease was here
--        {'failed', words}                the command's own error; the token was seen all the same
--        {'denied', why}                  nothing was written; only a person can mend it
-- An error of the server is passed on as it is; then the command was not applied.
--
-- Atomic, because between a look at the token and the write a newer primary could have written.
--
-- Sent in full with every call, without these lines: a call by hash can fail where the server forgot the
-- script, while one that was sent behind it does not.

local fence, lease = KEYS[1], ARGV[1]
local token, connection = tonumber(ARGV[2]), tonumber(ARGV[3])
-- A lease is named 'primary:...' or 'lease:...'.
local order = 'order:' .. lease
local MAX = 9007199254740991

local function failed(reply)
  return type(reply) == 'table' and reply.err
end

local found = redis.pcall('HMGET', fence, lease, order)
if failed(found) then
  if string.find(found.err, 'WRONGTYPE', 1, true) then
    return {'denied', fence .. ' is not a hash: ' .. found.err}
  end
  return found
end
local seen = found[1] or '0'
-- Digits only: tonumber() would read 'nan', which is not above any token.
if not string.find(seen, '^%d+$') or tonumber(seen) > MAX then
  local shown = string.sub(seen, 1, 40)
  return {'denied', fence .. ' has something else than a token under ' .. lease .. ': ' .. shown}
end
local highest = tonumber(seen)
if highest > token then
  return {'stale', seen}
end
local of, latest = string.match(found[2] or '', '^(%d+):(%d+)$')
latest = tonumber(of) == token and tonumber(latest) or 0
if connection < latest then
  return {'late', ''}
end

local function keep()
  local kept
  if connection > latest then
    kept = redis.pcall('HSET', fence, lease, ARGV[2], order, ARGV[2] .. ':' .. ARGV[3])
  else
    kept = redis.pcall('HSET', fence, lease, ARGV[2])
  end
  return failed(kept) and kept
end
local function apply()
  return #ARGV > 3 and redis.pcall(unpack(ARGV, 4))
end

local reply
if highest == token and connection == latest then
  -- Writes nothing itself: Redis checks its limits for the first write of a script only, and that is the
  -- command's.
  reply = apply()
else
  local refused = keep()
  if refused and string.find(refused.err, 'OOM', 1, true) then
    -- The memory is full. The command meets that limit by itself, and may be what makes room. After a
    -- write of any kind, as this PERSIST is one, the limit stands in the way of the token no more.
    reply = apply()
    redis.pcall('PERSIST', fence)
    refused = keep()
    if refused then
      return refused
    end
  else
    -- Before the command, so that whatever refuses the fence refuses the command with it.
    refused = refused or redis.pcall('PERSIST', fence)
    if failed(refused) then
      return refused
    end
    reply = apply()
  end
end

if failed(reply) then
  return {'failed', reply.err}
end
if type(reply) == 'number' and (reply > MAX or reply < -MAX) then
  local name, exact = string.upper(ARGV[4])
  if name == 'INCR' or name == 'INCRBY' or name == 'DECR' or name == 'DECRBY' then
    exact = redis.pcall('GET', ARGV[5])
  elseif name == 'HINCRBY' then
    exact = redis.pcall('HGET', ARGV[5], ARGV[6])
  end
  if type(exact) == 'string' then
    return {'integer', exact}
  end
end
return {'passed', reply}
