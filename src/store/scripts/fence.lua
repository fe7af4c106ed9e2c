-- Raises the highest token that a resource has seen from one lease, and refuses a smaller one. With a
-- command, does that in the same step.
--
-- KEYS  1 fence  a hash without an expiry: the highest token, by the name of the lease. Tokens of
--                different leases do not compare.
--       2...     the keys of the command, as far as they are known: some servers refuse others
-- ARGV  1 lease  its name
--       2 token
--       3 order  empty, or after connections that were lost with a command unanswered '<token>:<how many
--                there were in this process>': such a command may still arrive. Kept beside the token.
--       4...     the command and its arguments, if there is one
-- Reply: {'passed', the command's reply}  nil without a command
--        {'integer', digits}              as passed, for an integer that Lua would round
--        {'stale', the highest token}     nothing was written
--        {'late', ''}                     nothing was written: a later connection of this lease was here
--        {'failed', words}                the command's own error; the token was seen anyway
--        {'denied', why}                  nothing was written; only a person can fix it
-- An error of the server is passed on as it is; then the command was not applied.
--
-- Atomic, because between a look at the token and the write a newer primary could have written.
--
-- Sent in full with every call, without comments, hence short: a call by hash can fail where the server
-- forgot the script, while one that was sent behind it does not, and the two would change places.

local key, lease, order = KEYS[1], ARGV[1], ARGV[3]
local MAX = 9007199254740991

local function run()
  return ARGV[4] and redis.pcall(unpack(ARGV, 4))
end

local found, reply = redis.pcall('HMGET', key, lease, 'order:' .. lease)
if found[1] == ARGV[2] and (found[2] or '') == order then
  -- Nothing is to be kept. Redis checks its limits for the first write of a script alone, and that is
  -- the command's then.
  reply = run()
else
  local function failed(said)
    return type(said) == 'table' and said.err
  end
  if failed(found) then
    return string.find(found.err, 'WRONGTYPE') and {'denied', key .. ' is not a hash: ' .. found.err} or found
  end
  local seen, token = found[1] or '0', tonumber(ARGV[2])
  -- Digits only: tonumber() would read 'nan', which is not above any token.
  if not string.find(seen, '^%d+$') or tonumber(seen) > MAX then
    local shown = string.sub(seen, 1, 40)
    return {'denied', key .. ' has something else than a token under ' .. lease .. ': ' .. shown}
  end
  if tonumber(seen) > token then
    return {'stale', seen}
  end
  local of, before = string.match(found[2] or '', '^(%d+):(%d+)$')
  if of == ARGV[2] and tonumber(before) > tonumber(string.match(order, ':(%d+)') or 0) then
    return {'late', ''}
  end

  local function keep()
    local kept = redis.pcall('HSET', key, lease, ARGV[2])
    if order ~= (found[2] or '') and not failed(kept) then
      kept = redis.pcall('HSET', key, 'order:' .. lease, order)
    end
    return kept
  end
  local kept = keep()
  if failed(kept) and string.find(kept.err, 'OOM') then
    -- The memory is full. The command meets that limit by itself, and may be what makes room. After a
    -- write of any kind, as PERSIST is one, the limit stands in the way of the token no more.
    reply = run()
    redis.pcall('PERSIST', key)
    kept = keep()
    if failed(kept) then
      return kept
    end
  else
    -- Before the command, so that whatever refuses the fence refuses the command with it.
    kept = failed(kept) and kept or redis.pcall('PERSIST', key)
    if failed(kept) then
      return kept
    end
    reply = run()
  end
end

if type(reply) == 'table' and reply.err then
  -- A master no more: that is the connection's trouble.
  return string.find(reply.err, '^%-?READONLY ') and reply or {'failed', reply.err}
end
if type(reply) == 'number' and math.abs(reply) > MAX then
  local name, exact = string.upper(ARGV[4])
  if string.find(name, '^..CR') then
    exact = redis.pcall('GET', ARGV[5])
  elseif name == 'HINCRBY' then
    exact = redis.pcall('HGET', ARGV[5], ARGV[6])
  end
  if type(exact) == 'string' then
    return {'integer', exact}
  end
end
return {'passed', reply or false}
