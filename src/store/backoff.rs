use std::time::Duration;

use crate::election::Random;

/// The pauses between the attempts to connect: none before the first, then about 50 ms, doubling
/// up to a maximum. The jitter keeps a fleet from returning in step to a server that restarted.
#[derive(Debug)]
pub(super) struct Backoff {
    attempts: u32,
    random: Random,
}

impl Backoff {
    pub fn new(random: Random) -> Self {
        Backoff {
            attempts: 0,
            random,
        }
    }

    /// Something worked: the next attempt is the first again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The pause before the next attempt: from half to all of its nominal length.
    pub fn next_pause(&mut self, longest: Duration) -> Duration {
        let doublings = self.attempts;
        self.attempts = self.attempts.saturating_add(1);
        let Some(doublings) = doublings.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.jittered(FIRST.saturating_mul(factor).min(longest))
    }

    /// From half to all of a pause.
    pub fn jittered(&mut self, nominal: Duration) -> Duration {
        nominal / 2 + self.random.up_to(nominal / 2)
    }
}

const FIRST: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_is_at_once_and_the_pauses_double_up_to_the_longest() {
        let longest = Duration::from_millis(800);
        let mut backoff = Backoff::new(Random::from_seed(7));
        assert_eq!(backoff.next_pause(longest), Duration::ZERO);
        for nominal in [50, 100, 200, 400, 800, 800, 800] {
            let pause = backoff.next_pause(longest).as_millis();
            assert!(
                (nominal / 2..=nominal).contains(&pause),
                "{pause} of {nominal}"
            );
        }
        for _ in 0..100 {
            assert!(backoff.next_pause(longest) <= longest);
        }
        backoff.reset();
        assert_eq!(backoff.next_pause(longest), Duration::ZERO);
    }
}
