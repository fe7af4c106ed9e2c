//! The record's operations without Redis.
//!
//! [`Register`] is the scripts' logic on plain data. [`MemoryStore`] serves elections within one
//! process with it (`memory://name`), and the simulation uses it as its imaginary Redis.

mod journal;
mod names;
mod register;
mod run_register;
mod server;
mod standing_ranks;
mod store;
mod stores;

#[cfg(test)]
pub use register::mistaken;
pub use register::{Applied, Field, Register};
#[cfg(test)]
pub use run_register::mistaken as run_mistaken;
pub use run_register::{RunApplied, RunRegister};
pub use server::{Server, Tells};
pub use store::MemoryStore;
