//! How long connecting may take, and the pauses between the attempts: for those who wait now.

use std::time::Duration;

use crate::election::DEFAULT_TTL;

/// How long an attempt to connect that begins now may take.
///
/// `waiting` are the ttls of a caller that waits for a connection; an eighth of the shortest leaves time for
/// another attempt. `cut` is what the attempt before was allowed, if it was cut short: while somebody
/// waits who has that much time, the next is allowed twice that, so that one short ttl cannot keep all
/// others from a server far away.
pub(super) fn connect_bound(
    waiting: impl Iterator<Item = Duration>,
    cut: Option<Duration>,
    connect_timeout: Duration,
) -> Duration {
    let eighths = waiting.map(|ttl| (ttl / 8).max(SHORTEST_ATTEMPT));
    let extremes = eighths.fold(None, |extremes, eighth| {
        let (hasty, patient) = extremes.unwrap_or((eighth, eighth));
        Some((eighth.min(hasty), eighth.max(patient)))
    });
    let bound = match (extremes, cut) {
        (Some((hasty, patient)), Some(cut)) => cut.saturating_mul(2).clamp(hasty, patient),
        (Some((hasty, _)), None) => hasty,
        (None, cut) => cut.unwrap_or(connect_timeout),
    };
    bound.min(connect_timeout)
}

/// The longest pause between two attempts to connect, for those who wait now.
pub(super) fn longest_pause(waiting: impl Iterator<Item = Duration>) -> Duration {
    let shortest = waiting.fold(DEFAULT_TTL, Duration::min);
    (shortest / 6).max(SHORTEST_PAUSE)
}

/// The ttl of a server that asks without one, from the bound of its question: a sixth of a ttl.
pub(super) fn ttl_of_bound(bound: Duration) -> Duration {
    bound.saturating_mul(6)
}

/// Three round trips to another continent: the connection, the greeting, and who the server is.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(250);
/// However short a ttl is, a server in trouble is not stormed for it.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn millis(values: &[u64]) -> impl Iterator<Item = Duration> {
        values.iter().copied().map(Duration::from_millis)
    }

    fn bound(waiting: &[u64], cut: Option<u64>) -> u128 {
        connect_bound(millis(waiting), cut.map(Duration::from_millis), TIMEOUT).as_millis()
    }

    #[test]
    fn connecting_is_bounded_by_an_eighth_of_the_shortest_ttl_that_waits() {
        assert_eq!(bound(&[5000], None), 625);
        assert_eq!(bound(&[40_000, 5000, 8000], None), 625);
        assert_eq!(bound(&[40_000], None), 5000);
    }

    #[test]
    fn it_is_never_shorter_than_round_trips_take_and_never_above_the_timeout_of_the_source() {
        assert_eq!(bound(&[100], None), 250);
        assert_eq!(bound(&[1000, 100], None), 250);
        assert_eq!(bound(&[3_600_000], None), 10_000);
        let hasty = connect_bound(millis(&[5000]), None, Duration::from_millis(40));
        assert_eq!(hasty, Duration::from_millis(40));
    }

    #[test]
    fn while_nobody_waits_it_is_the_timeout_of_the_source() {
        assert_eq!(bound(&[], None), 10_000);
    }

    #[test]
    fn after_one_that_was_cut_short_it_doubles_up_to_what_the_most_patient_can_wait() {
        assert_eq!(bound(&[100, 5000], None), 250);
        assert_eq!(bound(&[100, 5000], Some(250)), 500);
        assert_eq!(bound(&[100, 5000], Some(500)), 625);
        assert_eq!(bound(&[100], Some(250)), 250);
        assert_eq!(bound(&[], Some(250)), 250);
    }

    #[test]
    fn a_pause_is_a_sixth_of_the_shortest_ttl_that_waits() {
        let pause = |waiting: &[u64]| longest_pause(millis(waiting)).as_millis();
        assert_eq!(pause(&[3000, 9000]), 500);
        assert_eq!(pause(&[]), 833);
        assert_eq!(pause(&[60_000]), 833);
        assert_eq!(pause(&[100]), 50);
    }
}
