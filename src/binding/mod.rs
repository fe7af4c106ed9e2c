//! Translates for Node, and decides nothing.

mod answer;
mod arguments;
mod async_context;
mod backends;
mod campaign;
mod change;
mod environment;
mod error;
mod exit;
mod fence;
pub mod functions;
mod given;
mod guarded;
mod inspector;
mod js;
mod lease;
mod listener;
mod logging;
mod options;
pub mod postgres_fence;
mod promise;
mod resigning;
pub mod runs;
mod shelf;
mod source;

pub use lease::PrimaryLease;
