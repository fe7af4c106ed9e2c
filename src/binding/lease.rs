//! What is asked of a lease while JavaScript may have stood still: it has to be right at that moment.

use napi_derive::napi;

use super::environment::{existing, read_lease};
use crate::driver::now;

/// Whether the lease with this number is held at this very moment.
pub fn is_held(lease: f64) -> bool {
    read_lease(lease, |cell| cell.is_held(now()))
}

/// For how long it is held even if no further renewal is confirmed, in ms.
pub fn remaining_ms(lease: f64) -> f64 {
    read_lease(lease, |cell| cell.remaining(now()).as_secs_f64() * 1_000.0)
}

/// It is not held from here on; what it was of is to be released.
#[napi]
pub fn end_lease(lease: f64) {
    if let Some(environment) = existing() {
        environment.end_lease(lease as u64);
    }
}
