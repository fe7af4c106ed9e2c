//! The rules of a scoped lease: one that is taken for one run of a job, and trusts Redis's clock.
//!
//! Nobody watches a resource between two runs, and a scheduled tick must not wait for a ttl, so the
//! expiry of one key decides, and not a watch as in an election. That holds while Redis keeps its
//! data and its clock; the fencing token covers the rest.

mod config;
mod leaving;
mod message;
mod releases;
mod replies;
mod scoped_lease;
mod tick;
mod timer;

pub use config::{DEFAULT_TICK_MEMORY, MAX_TICK_MEMORY, MIN_SCOPED_TTL, ScopedConfig};
pub use message::{Refusal, ScopedCommand, ScopedEnd, ScopedOutcome, ScopedOutput, ScopedRequest};
pub use scoped_lease::ScopedLease;
pub use tick::{Tick, TickName, last_occurrence, not_repeated};
