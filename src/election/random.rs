use std::fmt;
use std::time::Duration;

/// The randomness of one election, all of it from one seed: identities, nonces, jitter.
///
/// ChaCha with 8 rounds (Bernstein) under a key of 128 bits. Identities and nonces are published, and
/// whoever has seen many of them must not know the next one. The driver seeds it from the operating
/// system; a simulation seeds it with what it wants to replay.
#[derive(Clone)]
pub struct Random {
    state: [u32; 16],
    block: [u32; 16],
    /// How many words of the block have been drawn.
    drawn: usize,
}

impl Random {
    pub fn from_seed(seed: u128) -> Self {
        let mut state = [0; 16];
        // "expand 16-byte k"
        state[..4].copy_from_slice(&[0x6170_7865, 0x3120_646e, 0x7962_2d36, 0x6b20_6574]);
        for (word, key) in state[4..12].iter_mut().enumerate() {
            *key = (seed >> (32 * (word % 4))) as u32;
        }
        Random {
            state,
            block: [0; 16],
            drawn: 16,
        }
    }

    pub fn next_u64(&mut self) -> u64 {
        if self.drawn == self.block.len() {
            self.block = block(&self.state, 8);
            self.drawn = 0;
            let counter = (u64::from(self.state[13]) << 32 | u64::from(self.state[12])) + 1;
            self.state[12] = counter as u32;
            self.state[13] = (counter >> 32) as u32;
        }
        let [low, high] = [self.block[self.drawn], self.block[self.drawn + 1]];
        self.drawn += 2;
        u64::from(high) << 32 | u64::from(low)
    }

    pub fn next_u128(&mut self) -> u128 {
        (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64())
    }

    /// A number below `bound`, uniform but for a bias below 2^-32; zero when `bound` is.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A duration from zero to `bound`, in microseconds.
    pub fn up_to(&mut self, bound: Duration) -> Duration {
        Duration::from_micros(self.below(bound.as_micros() as u64 + 1))
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What comes next is nobody's business.
        f.write_str("Random")
    }
}

fn block(state: &[u32; 16], rounds: usize) -> [u32; 16] {
    let mut words = *state;
    for _ in 0..rounds / 2 {
        for column in 0..4 {
            quarter(&mut words, [0, 4, 8, 12].map(|row| row + column));
        }
        for diagonal in 0..4 {
            let along = |row: usize| row * 4 + (diagonal + row) % 4;
            quarter(&mut words, [0, 1, 2, 3].map(along));
        }
    }
    for (word, start) in words.iter_mut().zip(state) {
        *word = word.wrapping_add(*start);
    }
    words
}

// Called from one place, whose indices are known there.
#[inline(always)]
fn quarter(words: &mut [u32; 16], [a, b, c, d]: [usize; 4]) {
    for left in [[16, 12], [8, 7]] {
        words[a] = words[a].wrapping_add(words[b]);
        words[d] = (words[d] ^ words[a]).rotate_left(left[0]);
        words[c] = words[c].wrapping_add(words[d]);
        words[b] = (words[b] ^ words[c]).rotate_left(left[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439, 2.3.2, which has 20 rounds and a key of 256 bits.
    #[test]
    fn a_block_is_chachas() {
        let mut state = [0; 16];
        state[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
        for (word, key) in state[4..12].iter_mut().enumerate() {
            let byte = 4 * word as u32;
            *key = u32::from_le_bytes([byte, byte + 1, byte + 2, byte + 3].map(|b| b as u8));
        }
        state[12..].copy_from_slice(&[1, 0x0900_0000, 0x4a00_0000, 0]);
        let words = block(&state, 20);
        assert_eq!(
            words[..4],
            [0xe4e7_f110, 0x1559_3bd1, 0x1fdd_0f50, 0xc471_20a3]
        );
        assert_eq!(
            words[12..],
            [0xd19c_12b5, 0xb94e_16de, 0xe883_d0cb, 0x4e3c_50a2]
        );
    }

    #[test]
    fn blocks_follow_each_other_without_repeating() {
        let mut random = Random::from_seed(1);
        let mut drawn: Vec<u64> = (0..1000).map(|_| random.next_u64()).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 1000);
    }

    #[test]
    fn both_halves_of_the_seed_and_of_what_is_drawn_count() {
        let first = |seed| Random::from_seed(seed).next_u128();
        let values = [first(1), first(1 << 64), first(2), first(2 << 64)];
        for (i, value) in values.iter().enumerate() {
            assert!(!values[..i].contains(value));
            assert!(*value as u64 != 0 && value >> 64 != 0);
        }
    }

    #[test]
    fn what_is_drawn_below_a_bound_reaches_every_value() {
        let mut random = Random::from_seed(1);
        let mut seen = [false; 10];
        for _ in 0..1000 {
            seen[random.below(10) as usize] = true;
        }
        assert_eq!(seen, [true; 10]);
        let longest = Duration::from_micros(3);
        let pauses: Vec<_> = (0..1000).map(|_| random.up_to(longest)).collect();
        assert!(pauses.contains(&Duration::ZERO) && pauses.contains(&longest));
        assert!(pauses.iter().all(|pause| *pause <= longest));
    }
}
