-- Gives a lease up, so that the next candidate need not wait.
--
-- ARGV  3 identity   of the term
--       4 listeners  how many others may want the lease; passed on in the message
--       5 nonce      random, 16 hexadecimal digits
--       6 entry      the caller's member of the roster, which it leaves
--       7 reason     why, for people
-- Outcome: released | stale | not-mine
--
-- Atomic, because a release that comes late must not free the lease of somebody else, nor one that
-- was written in an earlier incarnation of the server.

local identity, listeners, nonce, entry, reason = unpack(ARGV, 3)

local record, refusal = read_record(identity)
if refusal then
  return refusal
end
local function leave(reply)
  redis.pcall('ZREM', ROSTER, entry)
  return reply
end

if record.missing then
  return leave(answer('stale', record))
end
if record.identity == identity then
  if not record.same_incarnation then
    return answer('stale', record)
  end
  if not record.released then
    local now, no_time = now_us()
    if no_time then
      return no_time
    end
    record.released = true
    return leave(write('released', 'released', record, nonce, now, 'left-' .. reason, listeners))
  end
end
return leave(answer('not-mine', record))
