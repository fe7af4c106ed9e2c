//! Runs the loop around one election, and the one around the lease of one run: waits, reads the clock, carries commands to the store and
//! tells the outside what happened. The rules are [`crate::election`]'s.

mod campaign;
mod clock;
mod fence;
mod handle;
mod heartbeat;
mod lease_cell;
mod mailbox;
mod run;
mod run_handle;
mod runtime;
mod stores;
mod waiters;

pub use clock::now;
pub use fence::fence;
pub use handle::{Change, Handle, Sink, Start, reason_word, wait_ended};
pub use heartbeat::Heartbeat;
pub use lease_cell::LeaseCell;
pub use run_handle::{RunChange, RunHandle, RunStart, wait_runs_ended};
pub use runtime::runtime;
pub use stores::store;
