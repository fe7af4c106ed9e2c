//! Translates for Node, and decides nothing.

mod campaign;
mod change;
mod environment;
mod error;
mod exit;
pub mod functions;
mod inspector;
mod js;
mod lease;
mod listener;
mod logging;
mod options;
mod promise;
mod source;

pub use lease::PrimaryLease;
