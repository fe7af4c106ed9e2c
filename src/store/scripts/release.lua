-- Gives a lease up, so that the next candidate need not wait.
--
-- ARGV  3 identity   of the term
--       4 listeners  how many others may want the lease; passed on in the message
--       5 nonce      random, 16 hexadecimal digits
-- Outcome: released | stale | not-mine
--
-- Atomic, because a release that comes late must not free the lease of somebody else, nor one that
-- was written in an earlier incarnation of the server.

local identity, listeners, nonce = unpack(ARGV, 3)

local record, refusal = read_record(identity)
if refusal then
  return refusal
end
if record.missing then
  return answer('stale', record)
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
    return write('released', 'released', record, nonce, now, listeners)
  end
end
return answer('not-mine', record)
