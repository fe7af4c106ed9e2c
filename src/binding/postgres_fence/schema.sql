-- schema() -> creates the table `primary_lease_fence` and the function behind `claim`
--
-- One statement, so that every driver can send it, prepared or not, inside a transaction or alone.
-- The lock, because CREATE ... IF NOT EXISTS by two sessions at the same moment fails in one of them
-- with a duplicate key of a catalogue. Looked up before it is taken, so that a start that has nothing
-- to create waits for nobody and needs no right to create. The names are looked up in the search
-- path, as those of the tables beside which this one lives. Of table and function only what is
-- missing is created: what is there may belong to another role.
--
-- The function is never replaced: one that has to change gets a new number, so that two releases
-- can run against one database during a rolling deploy.

DO $schema$
DECLARE
  hidden text;
BEGIN
  -- PostgreSQL silently skips a schema without USAGE. A fence created behind one would be a second
  -- fence: roles that may use the schema have, or would get, theirs in it.
  WITH path AS (
    SELECT place, nspname,
        has_schema_privilege(namespace.oid, 'USAGE') AS usable,
        EXISTS (SELECT FROM pg_class
          WHERE relnamespace = namespace.oid AND relname = 'primary_lease_fence') AS fenced
      FROM regexp_matches(current_setting('search_path'), '"((?:[^"]|"")*)"|([^",[:space:]]+)', 'g')
        WITH ORDINALITY AS entry (name, place)
      JOIN pg_namespace AS namespace ON nspname =
        CASE coalesce(name[1], name[2]) WHEN '$user' THEN current_user
          ELSE coalesce(replace(name[1], '""', '"'), lower(name[2])) END
  ), found AS (
    SELECT min(place) FILTER (WHERE fenced) AS fence, min(place) AS first FROM path WHERE usable
  )
  SELECT nspname INTO hidden FROM path, found
    WHERE NOT usable AND CASE
      WHEN fenced THEN place < coalesce(fence, place + 1)
      ELSE fence IS NULL AND place < coalesce(first, place + 1)
    END
    ORDER BY place LIMIT 1;
  IF hidden IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = '42501',
      MESSAGE = format('schema "%s" of the search_path cannot be used: role "%s" has no USAGE on it',
        hidden, current_user),
      HINT = 'Grant it, or take the schema out of the search_path of all servers.';
  END IF;

  IF to_regclass('primary_lease_fence') IS NOT NULL
    AND to_regprocedure('claim_primary_lease_fence_2(text, text, bigint)') IS NOT NULL
  THEN
    RETURN;
  END IF;

  PERFORM pg_advisory_xact_lock(hashtextextended('primary-lease: create the fence', 0));

  IF to_regclass('primary_lease_fence') IS NULL THEN
    -- Room in each page for new versions of its rows: every claim writes one, and one that fits
    -- beside the old touches no index and is cleaned up by the next.
    CREATE TABLE IF NOT EXISTS primary_lease_fence (
      resource text NOT NULL,
      lease text NOT NULL,
      token bigint NOT NULL,
      claimed_at timestamptz NOT NULL,
      PRIMARY KEY (resource, lease),
      -- The tokens that there are: a larger one, by mistake, would shut everybody out for ever.
      CONSTRAINT primary_lease_fence_token CHECK (token BETWEEN 1 AND 9007199254740991)
    ) WITH (fillfactor = 50);
  END IF;

  -- The row is written also where the token stays the same. In REPEATABLE READ and SERIALIZABLE a
  -- transaction that waited for the row has a snapshot from before the other's commit, and only a
  -- row that has changed makes PostgreSQL refuse it (40001).
  --
  -- What the transaction claimed is hidden in it until it commits. So that `evict` can tell who holds
  -- the row, and with which token, two shared advisory locks say it, which end with the transaction
  -- or the savepoint, as the claim does: one on the hash of the row's names, as a pair of numbers, and
  -- one on the token, which has 53 bits, below the first 11 of that hash. Shared ones wait for nobody.
  IF to_regprocedure('claim_primary_lease_fence_2(text, text, bigint)') IS NULL THEN
    CREATE FUNCTION claim_primary_lease_fence_2(text, text, bigint)
      RETURNS void LANGUAGE plpgsql AS $function$
    DECLARE
      place CONSTANT bigint := hashtextextended($1, hashtextextended($2, 0));
      newest bigint;
    BEGIN
      INSERT INTO primary_lease_fence AS fence (resource, lease, token, claimed_at)
        VALUES ($1, $2, $3, clock_timestamp())
        ON CONFLICT (resource, lease) DO UPDATE
          SET token = excluded.token, claimed_at = excluded.claimed_at
          WHERE fence.token <= excluded.token;
      IF FOUND THEN
        PERFORM pg_advisory_xact_lock_shared((place >> 32)::int, (place << 32 >> 32)::int),
          pg_advisory_xact_lock_shared(place >> 53 << 53 | $3);
        RETURN;
      END IF;
      -- The row is locked by now, so this is what it was compared with.
      SELECT token INTO newest FROM primary_lease_fence WHERE resource = $1 AND lease = $2;
      RAISE EXCEPTION USING
        ERRCODE = 'PL001',
        MESSAGE = format('stale token %s for resource "%s": %s has been seen', $3, $1, newest),
        DETAIL = jsonb_build_object('resource', $1, 'lease', $2, 'token', $3, 'newest', newest),
        HINT = 'The lease was lost and another server has been granted it: stop, and do not try again.';
    END
    $function$;
  END IF;
END
$schema$
