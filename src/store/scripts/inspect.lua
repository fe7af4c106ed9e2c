-- Looks at the record and changes nothing.
--
-- Outcome: seen
--
-- A script, because the version shown has to be that of the very record that was read.

local record, refusal = read_record()
if refusal then
  return refusal
end
return answer('seen', record)
