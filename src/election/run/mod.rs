//! The rules of a run lease: one that is taken for one run of a job, and trusts Redis's clock.
//!
//! Nobody watches a resource between two runs, and a scheduled tick must not wait for a ttl, so the
//! expiry of one key decides, and not a watch as in an election. That holds while Redis keeps its
//! data and its clock; the fencing token covers the rest.

mod config;
mod leaving;
mod message;
mod releases;
mod replies;
mod run_lease;
mod tick;
mod timer;

pub use config::{DEFAULT_TICK_MEMORY, MAX_TICK_MEMORY, MIN_RUN_TTL, RunConfig};
pub use message::{Refusal, RunCommand, RunEnd, RunOutcome, RunOutput, RunRequest};
pub use run_lease::RunLease;
pub use tick::{Tick, TickName, last_occurrence, not_repeated};
