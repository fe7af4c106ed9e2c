//! One situation per test: act once, compare the whole list of what the rules want done.

mod asked_to_resign;
mod campaigning;
mod configuration;
mod crowds;
mod failing;
mod hearing_messages;
mod holding;
mod late_renewals;
mod losing;
mod ranking;
mod resigning;
mod scene;
mod stalling;
mod standing_by;
mod trouble;
