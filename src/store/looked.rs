//! What a look shows.

use crate::election::Failure;

/// An election, as the store has it at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectionLook {
    /// The store's clock, in microseconds since 1970.
    pub micros: u64,
    pub record: RecordLook,
    pub standbys: RosterLook,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordLook {
    Missing,
    /// A field that decides, or says when, cannot be read.
    Unreadable,
    Record {
        token: u64,
        /// Granted to somebody, and not released.
        held: bool,
        /// In ms.
        ttl: u64,
        /// The last write and the grant, in microseconds of the store's clock.
        at: u64,
        since: u64,
        server: String,
        /// The term was asked to resign.
        asked: bool,
        /// "The log" in docs/protocol.md.
        log: String,
    },
}

/// "The roster" in docs/protocol.md.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RosterLook {
    Read {
        /// The members that were seen last, at most a thousand, with when that was in ms of the store's clock.
        standbys: Vec<(String, u64)>,
        /// Of all.
        count: u64,
    },
    /// Not permitted, or not a sorted set.
    Refused { why: String },
}

/// Elections and run leases, of some of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListLook {
    pub micros: u64,
    /// Where to go on; 0 at the end.
    pub cursor: u64,
    /// About how many keys were looked at.
    pub scanned: u64,
    /// By name. One may be found twice.
    pub found: Vec<(String, ListedLook)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedLook {
    Election(Result<RecordLook, Failure>),
    Lease(Result<LeaseLook, Failure>),
}

/// The lease of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseLook {
    pub token: u64,
    /// `held`, `pending` or `released`.
    pub stage: &'static str,
    /// For how long it is there, in ms.
    pub left: Option<u64>,
}
