use crate::election::Random;

/// Draws that a simulation makes all the time.
pub trait Draw {
    /// True with a probability of `millionths`.
    fn chance(&mut self, millionths: u32) -> bool;

    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: u64, high: u64) -> u64;

    fn one_in(&mut self, n: u64) -> bool;
}

impl Draw for Random {
    fn chance(&mut self, millionths: u32) -> bool {
        // Nothing is drawn for a fault that is off: other draws stay where they were.
        millionths > 0 && self.below(1_000_000) < u64::from(millionths)
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// The stream of randomness of one purpose in the run of one seed, so that switching one fault
/// off leaves the draws of the others as they were.
pub fn stream(seed: u64, purpose: u64) -> Random {
    Random::from_seed(u128::from(seed) | u128::from(purpose.wrapping_add(1)) << 64)
}
