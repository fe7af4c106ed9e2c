-- The record of one election, for the scripts that this stands before.
--
-- KEYS[1]  the hash
-- KEYS[2]  the roster, for those that write it: acquire and release
-- ARGV[1]  the channel on which its changes are published
-- ARGV[2]  '1' where the server need not tell its incarnation (failoverUnsafe), '' where it must
--
-- Every reply is an array of strings:
--   {'denied', why}                     nothing was written; only a person can fix it
--   {outcome, heard}                    there is no record
--   {outcome, heard, seq, epoch, cur, nonce, token, identity, ttl, released, same_incarnation, server, ranks, asked}
-- `heard` is how many received the message of this write, -1 where none was published. An error of
-- the server (OOM, READONLY) is passed on as it is.
--
-- Everything a script needs from the server it reads itself, and it writes once: what was compared
-- is what is replaced, and a write that is refused has changed nothing. What is for people, and which ranks
-- stand by, comes after that, and its failure changes no reply.

local KEY = KEYS[1]
local ROSTER = KEYS[2]
local CHANNEL = ARGV[1]
local MAY_BE_UNTOLD = ARGV[2] == '1'
-- No run id is so short: the incarnation of a server that does not tell its own begins so.
local UNTOLD = '0:'
local PROTOCOL = 1
-- 2^53 - 1: Lua and JavaScript represent every integer up to here exactly.
local MAX_INTEGER = 9007199254740991
-- Only cleans up after elections that nobody joins any more; no expiry decides anything.
local KEPT_MS = 30 * 24 * 3600 * 1000
local MOST_RANKS = 4
local LONGEST_RANK = 200
local MOST_CHANGES = 10
local LONGEST_CHANGE = 1000
-- A write of the roster looks at no more of its oldest members.
local TIDIED = 10

-- tostring() would print a large number as 1.7953798209962e+15. No number here is above 2^53.
local function text(number)
  return string.format('%d', number)
end

local function denied(why)
  return {'denied', why}
end

local function failed(reply)
  return type(reply) == 'table' and reply.err
end

local function digits(value)
  return value and string.find(value, '^%d+$') and tonumber(value) or nil
end

-- Lower case only: what is compared as text is written so.
local function hexadecimal(value, length)
  return value and #value == length and string.find(value, '^[0-9a-f]+$') ~= nil
end

local function begins_untold(incarnation)
  return string.sub(incarnation, 1, #UNTOLD) == UNTOLD
end

-- A user who may not call INFO is fixed by a permission, a server that has none of it is not.
local function lacks_permission(words)
  return string.find(words, 'NOPERM', 1, true) or string.find(words, 'The user executing the script', 1, true)
    or string.find(words, 'can\'t run this command', 1, true) or string.find(words, 'ACL failure', 1, true)
end

-- What INFO says of a field. To look for plain text takes a tenth of the time that a pattern takes.
local function field(said, name, pattern)
  local _, before = string.find(said, '\n' .. name .. ':', 1, true)
  return before and string.match(said, pattern, before + 1)
end

-- The server's part in every version: its life (run_id) and its data set (master_replid). Two
-- calls, since one for two sections needs Redis 7. Where the server does not tell them, and need not, it is
-- what it does tell.
local function present_server()
  local function section(name)
    local said = redis.pcall('INFO', name)
    if not failed(said) then
      return said
    end
    local why = 'INFO ' .. name .. ' is refused: ' .. said.err
    if lacks_permission(said.err) then
      return nil, denied(why .. ' (permit +info)')
    end
    return '', nil, why
  end
  local server, denial, no_server = section('server')
  if denial then
    return nil, denial
  end
  local replication, no_permission, no_replication = section('replication')
  if no_permission then
    return nil, no_permission
  end
  local run_id = field(server, 'run_id', '^%x+')
  local replid = field(replication, 'master_replid', '^%x+')
  if not run_id or not replid then
    if not MAY_BE_UNTOLD then
      local why = no_server or not run_id and 'INFO server has no run_id'
        or no_replication or 'INFO replication has no master_replid'
      return nil, denied(why .. '; with failoverUnsafe elections do without it')
    end
    return {cur = UNTOLD .. (replid or '0'), untold = true}
  end
  return {cur = run_id .. ':' .. replid, said = {server, replication}}
end

-- Whether the server has been up, and unpromoted, for longer than so many ms.
local function is_up_for(server, ms)
  if not server.said then
    return false
  end
  local uptime = digits(field(server.said[1], 'uptime_in_seconds', '^%d+'))
  return uptime and uptime * 1000 > ms and field(server.said[2], 'second_repl_offset', '^-1\r') ~= nil
end

-- Who stands by, from the field `ranks`: a list of {rank, last sight}. It decides nothing, so anything may stand there.
local function read_ranks(field)
  local ranks = {}
  for rank, seen in string.gmatch(field, '([0-9A-Za-z!~%-]+):(%d+)') do
    if #ranks < MOST_RANKS and #rank <= LONGEST_RANK then
      ranks[#ranks + 1] = {rank, seen}
    end
  end
  return ranks
end

local function remove_rank(record, rank)
  for place = #record.ranks, 1, -1 do
    if record.ranks[place][1] == rank then
      table.remove(record.ranks, place)
    end
  end
end

local function written_ranks(ranks)
  local entries = {}
  for place, one in ipairs(ranks) do
    entries[place] = one[1] .. ':' .. one[2]
  end
  return table.concat(entries, ',')
end

local function shown_ranks(record)
  local names = {}
  for place, one in ipairs(record.ranks) do
    names[place] = one[1]
  end
  return table.concat(names, ',')
end

-- Lua's own comparison of strings follows the server's locale.
local function is_above(a, b)
  for place = 1, math.min(#a, #b) do
    local x, y = string.byte(a, place), string.byte(b, place)
    if x ~= y then
      return x > y
    end
  end
  return #a > #b
end

-- The record as it is, or nil and the reply that says why it cannot be used. `missing` is set where
-- any field that decides cannot be parsed: such a record is created again, never taken as free. What
-- can still be read of it, the token and the identity, is there anyway; `absent` is set where
-- there is nothing at all.
--
-- A token above 2^53 - 1 is no token. It was not written by us, and whatever is granted has to be above
-- it: only a person can say what it means, except for the holder `mine`, who knows its own.
local function read_record(mine)
  local server, refusal = present_server()
  if refusal then
    return nil, refusal
  end
  local found = redis.pcall('HMGET', KEY, 'v', 'token', 'identity', 'seq', 'epoch', 'run',
    'released', 'ttl', 'server', 'since', 'nonce', 'ranks', 'asked')
  if failed(found) then
    if string.find(found.err, 'WRONGTYPE', 1, true) then
      return nil, denied(KEY .. ' is not a hash: ' .. found.err)
    end
    return nil, found
  end
  local version = tonumber(found[1] or '')
  if version and version > PROTOCOL then
    return nil, denied(KEY .. ' was written by a newer release: v is ' .. found[1])
  end

  local token, seq, ttl = digits(found[2]), digits(found[4]), digits(found[8])
  local identity, epoch, run, released = found[3], found[5], found[6], found[7]
  local named = identity and identity == mine or hexadecimal(identity, 32)
  if token and token > MAX_INTEGER then
    if identity ~= mine then
      return nil, denied(KEY .. ' has a token above ' .. text(MAX_INTEGER) .. ': '
        .. string.sub(found[2], 1, 40))
    end
    token = nil
  end
  -- A seq that adding 1 does not change would hide every later write.
  local parsed = token and seq and seq < MAX_INTEGER
    and (named or identity == '')
    and hexadecimal(epoch, 16)
    and run and (run == server.cur or string.find(run, '^%x+:%x+$'))
    and hexadecimal(found[11], 16)
    and (released == '0' or released == '1')
    and ttl and ttl > 0 and ttl <= MAX_INTEGER
  local record = {
    present_server = server,
    cur = server.cur,
    token = text(token or 0),
    identity = named and identity or '',
  }
  if not parsed then
    record.missing = true
    record.absent = true
    for _, value in ipairs(found) do
      record.absent = record.absent and not value
    end
    return record
  end
  if begins_untold(run) and not MAY_BE_UNTOLD then
    return nil, denied(KEY .. ' is of servers with failoverUnsafe: give it to all, or stop those and delete the key')
  end
  record.kept_token = found[1] == text(PROTOCOL) and found[2]
  record.nonce = found[11]
  record.seq = seq
  record.epoch = epoch
  record.same_incarnation = run == server.cur
  record.released = released == '1'
  record.ttl = text(ttl)
  record.server = found[9] or ''
  record.since = found[10] or ''
  record.ranks = read_ranks(found[12] or '')
  record.asked = found[13] or ''
  return record
end

-- What is published of a command's nonce: nobody who has heard it can tell what the same command would
-- publish elsewhere. A network may repeat a command.
local function stamp(nonce, place)
  return string.sub(redis.sha1hex(nonce .. ' ' .. place), 1, 16)
end

-- A record that never was granted, still to be written.
--
-- Its epoch is half the command's nonce, half the time: a late duplicate of the command that created a
-- record which was lost since must not bring back versions that somebody has watched.
local function create(record, nonce, ttl, now)
  record.missing = nil
  record.created = true
  record.identity = ''
  record.seq = 0
  record.epoch = string.sub(stamp(nonce, KEY), 1, 8) .. string.format('%08x', now % 4294967296)
  record.same_incarnation = true
  record.released = false
  record.ttl = ttl
  record.server = ''
  record.since = ''
  record.ranks = {}
  record.asked = ''
end

-- The *server's* present incarnation, not the record's. Where it is not told, the nonce of the last write
-- stands in for it: it tells one write of a number from another that an older state led to.
local function incarnation_of(record)
  return record.present_server.untold and record.cur .. record.nonce or record.cur
end

-- Where a record is watched, this is what is watched.
local function version_of(record)
  return text(record.seq) .. '.' .. record.epoch .. '.' .. incarnation_of(record)
end

local function now_us()
  local time = redis.pcall('TIME')
  if failed(time) then
    return nil, denied('TIME is refused: ' .. time.err)
  end
  return time[1] * 1000000 + time[2]
end

local function answer(outcome, record, heard)
  if record.missing then
    return {outcome, heard or '-1'}
  end
  return {outcome, heard or '-1', text(record.seq), record.epoch, incarnation_of(record), record.nonce,
    record.token, record.identity, record.ttl, record.released and '1' or '0', record.same_incarnation and '1' or '0',
    record.server, shown_ranks(record), record.asked == record.token and '1' or '0'}
end

-- The field `log` with one more change in front.
local function logged(change, record, now)
  local name = string.gsub(record.server, '[%z\1-\31\127]', '?')
  local lines = {text(now) .. ' ' .. record.token .. ' ' .. change .. ' ' .. name}
  local before = redis.pcall('HGET', KEY, 'log')
  if type(before) == 'string' then
    for line in string.gmatch(before, '[^\n]+') do
      if #lines == MOST_CHANGES then
        break
      end
      lines[#lines + 1] = string.sub(line, 1, LONGEST_CHANGE)
    end
  end
  return table.concat(lines, '\n')
end

-- Enters a standby that was refused, by its rank in the record and, for people, by its entry in the roster.
local function sign(record, rank, entry, ttl, now)
  local ms = math.floor(now / 1000)
  local ranks, fresh, changed = {}, false, false
  for _, one in ipairs(record.ranks) do
    local age = ms - tonumber(one[2])
    fresh = fresh or (one[1] == rank and age >= 0 and age < math.floor(ttl / 4))
    if age >= 0 and age <= ttl and (fresh or one[1] ~= rank) then
      ranks[#ranks + 1] = one
    else
      changed = true
    end
  end
  if not fresh then
    local place = 1
    while ranks[place] and is_above(ranks[place][1], rank) do
      place = place + 1
    end
    table.insert(ranks, place, {rank, text(ms)})
    ranks[MOST_RANKS + 1] = nil
    changed = true
  end
  if changed then
    redis.pcall('HSET', KEY, 'ranks', written_ranks(ranks))
  end
  local kept = 2 * ttl
  if failed(redis.pcall('ZADD', ROSTER, text(ms), entry)) then
    return
  end
  redis.pcall('PEXPIRE', ROSTER, text(kept))
  local gone = redis.pcall('ZRANGEBYSCORE', ROSTER, '-inf', '(' .. text(ms - kept), 'LIMIT', '0', tostring(TIDIED))
  if not failed(gone) and #gone > 0 then
    redis.pcall('ZREM', ROSTER, unpack(gone))
  end
end

-- Writes the whole record and answers with it; `logs` is what a person should read of this change. The message goes last and its failure changes
-- nothing: a PUBLISH that an ACL refuses raises an error after the write took effect.
--
-- The record's nonce comes from the command's and the version: a message that names both is not older than
-- this write.
--
-- Only `extended`, it is written in part: nothing else of it has changed. Renewals are nearly all that a server
-- has to do for an election.
local function write(outcome, change, record, nonce, now, logs, listeners, extended)
  if record.created then
    record.created = nil
  else
    record.seq = record.seq + 1
  end
  record.same_incarnation = true
  local seq = text(record.seq)
  record.nonce = stamp(nonce, seq .. '.' .. record.epoch .. '.' .. record.cur)
  local released = record.released and '1' or '0'
  local written
  if extended then
    written = redis.pcall('HSET', KEY, 'seq', seq, 'nonce', record.nonce, 'ttl', record.ttl, 'at', text(now),
      'server', record.server)
  else
    written = redis.pcall('HSET', KEY, 'v', text(PROTOCOL), 'token', record.token,
      'identity', record.identity, 'seq', seq, 'epoch', record.epoch,
      'run', record.cur, 'nonce', record.nonce, 'released', released, 'ttl', record.ttl, 'at', text(now),
      'server', record.server, 'since', record.since, 'ranks', written_ranks(record.ranks), 'asked', record.asked,
      unpack(logs and {'log', logged(logs, record, now)} or {}))
  end
  if failed(written) then
    return written
  end
  -- Refused, it leaves a record that nobody cleans up; the write stands anyway. Renewals, of which each
  -- comes within a day of the last, put that off now and then.
  if not extended or record.seq % 16 == 0 then
    redis.pcall('PEXPIRE', KEY, text(KEPT_MS))
  end
  local identity = record.identity ~= '' and record.identity or '-'
  local ranks = #record.ranks > 0 and shown_ranks(record) or '-'
  -- The server's name comes last: it may contain spaces.
  local heard = redis.pcall('PUBLISH', CHANNEL, table.concat({text(PROTOCOL), change,
    seq, record.epoch, incarnation_of(record), record.nonce, record.token, identity, record.ttl, released,
    listeners or '0', ranks, record.server}, ' '))
  return answer(outcome, record, not failed(heard) and text(heard) or '-1')
end

