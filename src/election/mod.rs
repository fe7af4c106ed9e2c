//! The rules of an election as a pure state machine: no socket, no clock, no task.
//!
//! [`Election`] is told the time and handed what happened; it answers with a list of [`Output`]s.
//! Time, randomness and replies are arguments, so that a simulation can run the very code that
//! ships.

mod config;
mod crowd;
#[expect(
    clippy::module_inception,
    reason = "the file is named after the type it holds"
)]
mod election;
mod health;
mod hints;
mod identity;
mod lease;
mod message;
mod messages;
mod name;
mod nonce;
mod pending_release;
pub(crate) mod planted;
mod random;
mod rank;
mod replies;
mod requests;
pub mod run;
mod state;
mod time;
mod timer;
mod token;
mod transitions;
mod watch;

pub use config::{
    Config, ConfigError, DEFAULT_ESTABLISH_TIMEOUT, DEFAULT_TTL, MAX_TTL, MIN_TTL,
    check_stall_timeout, default_stall_timeout,
};
pub use election::Election;
pub use identity::Identity;
pub use message::{
    Answer, Command, Event, Failure, Grant, Message, Notice, Outcome, Output, Primary, Reason,
    Record, Reply, Request, UNTOLD, Version, WriteKind,
};
pub use name::{check_name, compose, election_name};
pub use nonce::Nonce;
pub(crate) use planted::planted;
pub use random::Random;
pub use rank::{MOST_RANKS, NotARank, PRIORITIES, Rank, Ranks};
pub use time::Time;
pub use token::Token;

#[cfg(test)]
mod tests;
