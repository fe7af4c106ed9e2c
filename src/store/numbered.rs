use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by numbers that this process has made: nobody outside can choose them so that they collide, and the usual
/// hash takes longer than all that is done with what is found.
pub type Numbered<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Spreads a number by one multiplication.
#[derive(Clone, Copy, Debug, Default)]
pub struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // Both halves of the product: a table looks at the lowest and at the highest bits.
        let product = u128::from(self.0 ^ number) * u128::from(SPREAD);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn write_u128(&mut self, number: u128) {
        self.write_u64(number as u64);
        self.write_u64((number >> 64) as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// 2^64 over the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, Hash};

    use super::*;

    fn hash(of: impl Hash) -> u64 {
        BuildHasherDefault::<NumberHasher>::default().hash_one(of)
    }

    #[test]
    fn numbers_in_a_row_are_spread_over_the_bits_that_a_table_looks_at() {
        for shift in [0, 57] {
            let mut counts = [0; 128];
            for number in 1..=12_800_u64 {
                counts[(hash(number) >> shift) as usize % 128] += 1;
            }
            assert!(
                counts.iter().all(|count| (50..200).contains(count)),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn all_of_a_number_counts() {
        let hashes = [0, 1, 1 << 64, 3 << 64].map(|number: u128| hash(number));
        for (at, one) in hashes.iter().enumerate() {
            assert!(!hashes[..at].contains(one), "{hashes:?}");
        }
    }
}
