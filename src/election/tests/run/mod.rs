//! The rules of run leases: one situation a test, and many leases at once from one seed.

mod simulation;
mod situations;
