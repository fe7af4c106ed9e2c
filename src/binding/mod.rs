//! Verbs in, batches of events out: plain numbers, strings and buffers, for the layer of JavaScript in
//! `src/js/`. Translates, and decides nothing.

mod answer;
mod campaign;
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
pub mod ticks;
