-- Asks the primary to resign.
--
-- ARGV  3 token      of the term that is meant; '' for the present one
-- Outcome: asked | not-held
--
-- Atomic, because the token that is asked for has to be that of the record. The record's version stays: nobody's watch
-- begins again. The next renewal of the term hears of it, and no other.

local token = unpack(ARGV, 3)

local record, refusal = read_record()
if refusal then
  return refusal
end
local held = not record.missing and record.identity ~= '' and not record.released
if not held or (token ~= '' and token ~= record.token) then
  return answer('not-held', record)
end
local written = redis.pcall('HSET', KEY, 'asked', record.token)
if failed(written) then
  return written
end
return answer('asked', record)
