-- Extends a lease in hand, or writes its record again after the server lost it.
--
-- ARGV  1 identity   of the term
--       2 server     the holder's server, for people
--       3 token      of the term
--       4 ttl        ms
--       5 over       write a lost record again if this is still its version; '' for never
--       6 epoch      random, 16 hexadecimal digits: half of the record's if this creates it
-- Outcome: renewed | stale | lost
--
-- Atomic, because a record that somebody else was granted in between must not be extended, and a
-- lost one is written again only over the version that its holder has been shown.

local identity, server, token, ttl, over, epoch = unpack(ARGV)

local record, refusal = read_record()
if refusal then
  return refusal
end

local function hold()
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
  return write('renewed', 'renewed', record, now)
end

if record.missing then
  local now, no_time = now_us()
  if no_time then
    return no_time
  end
  create(record, epoch, ttl, now)
  return write('stale', 'created', record, now)
end

local mine = record.identity == identity
local found, wanted = tonumber(record.token), tonumber(token)
if mine and found == wanted and not record.released and record.same_run then
  return hold()
end
if found < wanted or (mine and not record.same_run) then
  if over == version_of(record) then
    return hold()
  end
  return answer('stale', record)
end
return answer('lost', record)
