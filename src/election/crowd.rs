//! How those who all may take a released record do not all ask for it.

use std::time::Duration;

use super::Random;

/// After how long one of so many listeners asks for a record that was released.
///
/// The chance of having asked rises exponentially: one asks early, and in every `longest / log2(listeners)`
/// as many as before. Whoever is granted the record is heard of meanwhile, so that few ask whatever their
/// number; and where nobody was, each has asked in the end. The number of listeners is a hint: a cluster
/// counts those of one node, and who only looks on is counted too.
pub(super) fn delay(listeners: u32, random: &mut Random) -> Duration {
    if listeners <= 1 {
        return Duration::ZERO;
    }
    let longest = (PER_LISTENER * listeners).min(LONGEST);
    let crowd = f64::from(listeners);
    let drawn = random.below(1 << 32) as f64 / f64::from(u32::MAX);
    longest.mul_f64((1.0 + drawn * (crowd - 1.0)).ln() / crowd.ln())
}

const PER_LISTENER: Duration = Duration::from_micros(100);
const LONGEST: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(listeners: u32, count: usize) -> Vec<Duration> {
        let mut random = Random::from_seed(7);
        let mut delays: Vec<_> = (0..count).map(|_| delay(listeners, &mut random)).collect();
        delays.sort_unstable();
        delays
    }

    #[test]
    fn one_who_is_alone_asks_at_once() {
        assert_eq!(delays(0, 1), [Duration::ZERO]);
        assert_eq!(delays(1, 1), [Duration::ZERO]);
    }

    #[test]
    fn a_few_ask_within_100_us_for_each_of_them() {
        assert!(*delays(3, 1000).last().unwrap() <= Duration::from_micros(300));
    }

    #[test]
    fn a_crowd_has_asked_within_40_ms_however_large_it_is_said_to_be() {
        for listeners in [400, 1_000, u32::MAX] {
            let delays = delays(listeners, 1000);
            assert!(*delays.last().unwrap() <= LONGEST, "{listeners}");
        }
    }

    #[test]
    fn in_a_crowd_of_a_thousand_as_many_as_before_ask_every_4_ms() {
        let delays = delays(1_000, 1000);
        let asked = |ms| {
            let within = |delay: &&Duration| **delay <= Duration::from_millis(ms);
            delays.iter().filter(within).count()
        };
        assert!(asked(5) <= 8, "{}", asked(5));
        assert!((8..=80).contains(&asked(20)), "{}", asked(20));
        assert_eq!(asked(40), 1000);
    }
}
