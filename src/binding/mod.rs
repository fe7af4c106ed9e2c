//! Verbs in, batches of events out: plain numbers, strings and buffers, for the layer of JavaScript in
//! `src/js/`. Translates, and decides nothing.

mod answer;
mod callers;
mod campaign;
mod campaigns;
mod change;
mod ends;
mod environment;
mod error;
mod events;
mod exit;
pub mod fence;
pub mod functions;
pub mod layer;
pub mod lease;
mod listener;
mod logging;
pub mod look;
pub mod metrics;
mod node;
mod options;
pub mod postgres_fence;
mod promise;
pub mod request;
pub mod run;
pub mod source;
mod status;
pub mod ticks;
