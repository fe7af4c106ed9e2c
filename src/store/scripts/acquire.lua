-- Asks for the lease; a standby's poll is this too.
--
-- ARGV  3 identity   of the candidate's standing
--       4 server     the candidate's server, for people
--       5 ttl        ms
--       6 floor      the granted token is above it
--       7 watched    take over if this is still the version; '' for none
--       8 eager      take a missing record at once on a server that has been up, and unpromoted,
--                    for longer than this, ms; '' for never
--       9 nonce      random, 16 hexadecimal digits
--      10 entry      the candidate's member of the roster
--      11 rank       where it is refused, enter it and its rank; '' for no
-- Outcome: granted | refused
--
-- Atomic, because the version that allows a takeover has to be the one that is overwritten, and
-- the token above the one that is there.

local identity, server, ttl, floor, watched, eager, nonce, entry, rank = unpack(ARGV, 3)

local record, refusal = read_record()
if refusal then
  return refusal
end
local now, no_time = now_us()
if no_time then
  return no_time
end

local function take(logs)
  record.created = nil
  record.identity = identity
  record.server = server
  record.ttl = ttl
  record.released = false
  local reply = write('granted', 'granted', record, nonce, now, logs)
  redis.pcall('ZREM', ROSTER, entry)
  return reply
end

local function refuse(reply)
  if rank ~= '' and not failed(reply) then
    sign(record, rank, entry, tonumber(ttl), now)
  end
  return reply
end

local function grant()
  local found = tonumber(record.token)
  local token = math.max(found + 1, now, tonumber(floor) + 1)
  if token > MAX_INTEGER then
    local cause = 'the server\'s clock is ' .. text(now) .. ' us'
    if found >= MAX_INTEGER then
      cause = 'its token is ' .. record.token
    elseif tonumber(floor) >= MAX_INTEGER then
      cause = 'a token of ' .. floor .. ' was seen'
    end
    return denied(KEY .. ' cannot be granted above ' .. text(MAX_INTEGER) .. ': ' .. cause)
  end
  record.token = text(token)
  record.since = text(now)
  local found_it = record.identity == '' and 'missing' or record.released and 'free' or 'silent'
  return take('elected-' .. found_it)
end

if record.missing then
  create(record, nonce, ttl, now)
  local up = record.present_server.uptime
  -- One that cannot be read may have a holder.
  if eager ~= '' and record.absent and record.present_server.unpromoted and up and up * 1000 > tonumber(eager) then
    return grant()
  end
  return refuse(write('refused', 'created', record, nonce, now))
end

-- Where the incarnation is not told, either may have come back with an older state: then they are watched.
if record.same_incarnation and not record.present_server.untold then
  if record.identity == identity and not record.released then
    -- Our reply was lost: the same token, and a new version.
    return take()
  end
  -- A late duplicate of the term that was just released is not to win it again.
  if record.released and record.identity ~= identity then
    return grant()
  end
end
if watched == version_of(record) then
  return grant()
end
return refuse(answer('refused', record))
