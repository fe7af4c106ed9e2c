//! Runs of jobs under a lease: `withLease` and `LeaderRunner`.

mod closing;
mod ending;
mod job;
mod leader_runner;
mod lease;
mod options;
mod outcome;
mod ticks;
pub mod with_lease;

pub use job::Job;
pub use leader_runner::{LeaderRunner, Runner};
pub use lease::Lease;
