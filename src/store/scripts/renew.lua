-- Extends a lease in hand, or writes its record again after the server lost it.
--
-- ARGV  3 identity   of the term
--       4 server     the holder's server, for people
--       5 token      of the term
--       6 ttl        ms
--       7 over       write a lost record again if this is still its version; '' for never
--       8 nonce      random, 16 hexadecimal digits
-- Outcome: renewed | stale | lost
--
-- Atomic, because a record that somebody else was granted in between must not be extended, and a
-- lost one is written again only over the version that its holder has been shown.

local identity, server, token, ttl, over, nonce = unpack(ARGV, 3)

local record, refusal = read_record(identity)
if refusal then
  return refusal
end

local function hold(logs, extended)
  local now, no_time = now_us()
  if no_time then
    return no_time
  end
  -- Written again over another's record, or an empty one: when it was granted is not known here.
  if record.identity ~= identity then
    record.since = text(now)
  end
  record.identity = identity
  record.server = server
  record.token = token
  record.ttl = ttl
  record.released = false
  return write('renewed', 'renewed', record, nonce, now, logs, nil, extended)
end

local found, wanted = tonumber(record.token), tonumber(token)
local mine, nobodys = record.identity == identity, record.identity == ''

if record.missing then
  local now, no_time = now_us()
  if no_time then
    return no_time
  end
  -- What is left of a record that cannot be read may name another holder, or a newer grant.
  local outcome = (mine or nobodys) and found <= wanted and 'stale' or 'lost'
  create(record, nonce, ttl, now)
  return write(outcome, 'created', record, nonce, now)
end

if mine and found == wanted and not record.released and record.same_incarnation then
  return hold(nil, record.kept_token == token)
end
-- Older than my grant; or mine, in another incarnation; or made again since, by somebody who could not read it.
if found < wanted or (found == wanted and (nobodys or (mine and not record.same_incarnation))) then
  if over == version_of(record) then
    return hold('restored')
  end
  return answer('stale', record)
end
return answer('lost', record)
