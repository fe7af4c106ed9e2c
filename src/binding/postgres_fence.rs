//! The fence as SQL, for the caller to send over its own connection: we open none to PostgreSQL.

#![expect(
    non_upper_case_globals,
    reason = "napi-derive exports a constant under its Rust name"
)]

use napi_derive::napi;

/// Creates the table `primary_lease_fence` and the function behind `claim` where they are missing,
/// in the first schema of the `search_path`, beside your own tables. One statement without parameters,
/// for PostgreSQL 11 or newer: run it at every start, or in a migration.
///
/// Any number of servers may run it at once, inside a transaction or outside, with one role or several.
/// What exists it does not change, and where both exist it needs no right to; to create them it needs
/// `CREATE` on the schema. Inside a transaction that creates them, others who would create them wait
/// for its end. A schema of the `search_path` on which the role has no `USAGE` is refused (`42501`, with
/// its name) where the fence is, or would belong, in it.
///
/// Another role than the one that created them needs `SELECT, INSERT, UPDATE` on the table, and
/// `EXECUTE` on the function and `USAGE` on the schema where the database gives these to nobody.
#[napi(namespace = "postgresFence")]
pub const schema: &str = statement(include_str!("postgres_fence/schema.sql"));

/// Lets a transaction go on only while no newer token has been seen. The first statement of every
/// transaction that a primary writes with, with three parameters:
///
/// 1. the resource: any name for what the transaction writes to;
/// 2. the lease's `name`, since tokens of different leases do not compare: each keeps its own highest
///    token;
/// 3. the lease's `token`, as a number, a bigint or a string.
///
/// It locks the row of resource and lease until the transaction ends, so that transactions of an
/// old and a new primary follow one another; outside a transaction it guards nothing. Several
/// resources in one transaction: in the same order everywhere, or they can deadlock (`40P01`). Two
/// shared advisory locks tell `evict` who holds the row.
///
/// Fails with SQLSTATE (`code` in `pg`):
/// - `PL001` when a newer token has claimed it: stop. The message names both tokens, the `detail`
///   is JSON with `resource`, `lease`, `token` and `newest`;
/// - `40001` in `REPEATABLE READ` and `SERIALIZABLE`, when another claim was committed after the
///   transaction's snapshot: run it again, and it sees that one, or gets `PL001`;
/// - `55P03` after `lock_timeout`: another transaction holds the row. `evict` ends it where its token
///   is smaller;
/// - `25006` on a standby, or in a read-only transaction;
/// - `23502`, `23514`, `22P02`, `22003`: something is missing, the token is not from 1 to 2^53 - 1, or
///   is no integer;
/// - `54000`, `22021`: the names are too long (about 2,700 bytes together), or have a NUL in them.
///
/// The highest token of a resource and lease is kept without end, and never shrinks. `docs/fencing.md`
/// says what that does and does not rule out.
#[napi(namespace = "postgresFence")]
pub const claim: &str = statement(include_str!("postgres_fence/claim.sql"));

/// Ends the sessions that keep this claim waiting with a smaller token, say that of a primary that is
/// frozen in its transaction: PostgreSQL's timeouts need not end one that is sending a statement or
/// reading a result. With the three parameters of `claim`, after that has failed with `55P03` (`lock_timeout`),
/// and outside of a transaction or after its `ROLLBACK`: then claim again. What the ended
/// transactions did is rolled back.
///
/// Resolves with a row for each, `pid` and `ended`; none where the holder's token is the same or newer,
/// or where it is a prepared transaction. It ends sessions of its own role and of those that it is a
/// member of; for others it needs `pg_signal_backend`, and for those of a superuser to be one (`42501`).
#[napi(namespace = "postgresFence")]
pub const evict: &str = statement(include_str!("postgres_fence/evict.sql"));

/// What follows the comment at the top of the file: that is for whoever reads it, not for the server.
const fn statement(file: &str) -> &str {
    let bytes = file.as_bytes();
    let mut at = 0;
    while bytes[at] != b'\n' || bytes[at + 1] != b'\n' {
        at += 1;
    }
    file.split_at(at + 2).1
}
