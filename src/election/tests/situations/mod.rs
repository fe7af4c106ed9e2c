//! One situation per test: act once, compare the whole list of what the rules want done.

mod campaigning;
mod configuration;
mod crowds;
mod failing;
mod hearing_messages;
mod holding;
mod losing;
mod resigning;
mod scene;
mod stalling;
mod standing_by;
mod trouble;
