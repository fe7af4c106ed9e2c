use crate::election::Random;

/// Only for jitter: without the system's randomness the hasher's, seeded once, does.
pub(super) fn random() -> Random {
    use std::hash::{BuildHasher, RandomState};
    let mut seed = [0; 16];
    match getrandom::fill(&mut seed) {
        Ok(()) => Random::from_seed(u128::from_le_bytes(seed)),
        Err(_) => Random::from_seed(u128::from(RandomState::new().hash_one(seed))),
    }
}
