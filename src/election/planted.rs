//! Wrong variants of the rules, each a mistake that people make, compiled only for tests.
//!
//! A simulation that cannot fail proves nothing: each of these has to be found by it. The rules
//! ask `planted!(Variant)` at the one place where the mistake would be made; outside tests that is
//! the constant `false`.

#[cfg(test)]
mod variants;

#[cfg(test)]
pub use variants::{Memory, Planted};

#[cfg(test)]
macro_rules! planted {
    ($variant:ident) => {
        $crate::election::planted::Planted::$variant.is_on()
    };
}

#[cfg(not(test))]
macro_rules! planted {
    ($variant:ident) => {
        false
    };
}

pub(crate) use planted;
