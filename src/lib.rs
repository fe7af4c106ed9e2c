//! Elects one primary among many servers with a fenced, renewed lease in Redis.
//!
//! What this does *not* promise: an old primary can still be running its last instruction when a
//! new one is elected. The fencing token is how the thing being written to tells them apart.
//!
//! Four rooms, each importing only those to its left:
//! [`election`] (the rules, std alone) ◄ [`store`] (asks Redis) ◄ [`driver`] (runs the loop) ◄
//! `binding` (translates for Node).

pub mod binding;
pub mod driver;
pub mod election;
pub mod store;
