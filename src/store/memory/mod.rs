//! The record's operations without Redis.
//!
//! [`Register`] is the scripts' logic on plain data. [`MemoryStore`] serves elections within one
//! process with it (`memory://name`), and the simulation uses it as its imaginary Redis.

mod register;
mod scoped_register;
mod server;
mod store;

pub use register::{Applied, Field, Register};
pub use scoped_register::{ScopedApplied, ScopedRegister};
pub use server::Server;
pub use store::MemoryStore;
