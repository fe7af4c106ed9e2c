-- evict($1 resource, $2 lease, $3 token) -> pid and whether it was ended, of each session that was to end
--
-- Those whose transaction has claimed the resource and lease with a smaller token: the advisory locks
-- that `claim` takes say so, where the row itself shows nothing before the commit. A session that
-- claimed with several tokens counts by the largest. A prepared transaction has no session (NULL).
--
-- The function stands in the outermost list, so that nothing but the rows of `older` is ended,
-- whatever plan PostgreSQL makes.

SELECT pid, pg_terminate_backend(pid) AS ended
  FROM (
    SELECT pid
      FROM (
        SELECT pid, objsubid, classid::bigint << 32 | objid::bigint AS key,
            hashtextextended($1::text, hashtextextended($2::text, 0)) AS place
          FROM pg_locks
          WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND pid <> pg_backend_pid()
      ) AS held
      GROUP BY pid
      -- A pair of numbers (2) is a row, one number (1) a token.
      HAVING bool_or(objsubid = 2 AND key = place)
        AND max(key & 9007199254740991) FILTER (WHERE objsubid = 1 AND key >> 53 = place >> 53)
          < $3::bigint
  ) AS older
