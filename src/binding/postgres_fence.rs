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
/// Any number of servers may run it at once, inside a transaction or outside. Where both exist it
/// changes nothing and needs no right to; to create them it needs `CREATE` on the schema. Inside a
/// transaction that creates them, others who would create them wait for its end.
///
/// Another role than the one that created them needs `SELECT, INSERT, UPDATE` on the table.
#[napi(namespace = "postgresFence")]
pub const schema: &str = statement(include_str!("postgres_fence/schema.sql"));

/// Lets a transaction go on only while no newer token has been seen. The first statement of every
/// transaction that a primary writes with, with three parameters:
///
/// 1. the resource: any name for what the transaction writes to;
/// 2. the lease's name, `primary:<prefix>` by convention, since tokens of different leases do not
///    compare: each keeps its own highest token;
/// 3. the lease's `token`, as a number, a bigint or a string.
///
/// It locks the row of resource and lease until the transaction ends, so that transactions of an
/// old and a new primary follow one another; outside a transaction it guards nothing. Several
/// resources in one transaction: in the same order everywhere, or they can deadlock (`40P01`).
///
/// Fails with SQLSTATE (`code` in `pg`):
/// - `PL001` when a newer token has claimed it: stop. The message names both tokens, the `detail`
///   is JSON with `resource`, `lease`, `token` and `newest`;
/// - `40001` in `REPEATABLE READ` and `SERIALIZABLE`, when another claim was committed after the
///   transaction's snapshot: run it again, and it sees that one, or gets `PL001`;
/// - `23502`, `23514`, `22P02`: something is missing, the token is not from 1 to 2^53 - 1, or is no
///   integer.
///
/// The highest token of a resource and lease is kept for ever, and never shrinks. `docs/fencing.md`
/// says what that does and does not rule out.
#[napi(namespace = "postgresFence")]
pub const claim: &str = statement(include_str!("postgres_fence/claim.sql"));

/// What follows the comment at the top of the file: that is for whoever reads it, not for the server.
const fn statement(file: &str) -> &str {
    let bytes = file.as_bytes();
    let mut at = 0;
    while bytes[at] != b'\n' || bytes[at + 1] != b'\n' {
        at += 1;
    }
    file.split_at(at + 2).1
}
