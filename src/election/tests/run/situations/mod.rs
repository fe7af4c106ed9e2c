//! One situation per test; the whole list of outputs is compared.

mod asking;
mod configuration;
mod holding;
mod leaving;
mod losing;
mod scene;
mod ticks;
mod waiting;
mod withdrawing;
