use std::time::Duration;

/// The randomness of one election, all of it from one seed: identities, epochs, jitter.
///
/// xoshiro256** (Blackman and Vigna), seeded through splitmix64. The driver seeds it with 128 bits
/// from the operating system, so that two processes do not share identities; a simulation seeds it
/// with what it wants to replay.
#[derive(Clone, Debug)]
pub struct Random([u64; 4]);

impl Random {
    pub fn from_seed(seed: u128) -> Self {
        let (mut low, mut high) = (seed as u64, (seed >> 64) as u64);
        Random([
            splitmix64(&mut low),
            splitmix64(&mut high),
            splitmix64(&mut low),
            splitmix64(&mut high),
        ])
    }

    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
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

fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first values that the authors' implementation gives from the state 1, 2, 3, 4.
    #[test]
    fn it_is_xoshiro256_starstar() {
        let mut random = Random([1, 2, 3, 4]);
        let values = [(); 6].map(|()| random.next_u64());
        assert_eq!(
            values,
            [
                11520,
                0,
                1509978240,
                1215971899390074240,
                1216172134540287360,
                607988272756665600
            ]
        );
    }

    #[test]
    fn it_is_seeded_by_splitmix64() {
        let mut state = 1234567;
        let values = [(); 3].map(|()| splitmix64(&mut state));
        assert_eq!(
            values,
            [
                6457827717110365317,
                3203168211198807973,
                9817491932198370423
            ]
        );
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
