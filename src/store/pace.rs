//! How much is sent ahead of the answers.

use std::time::Duration;

/// Lets new runs wait while the server is behind, so that what is held is not late for them: what was
/// sent cannot be overtaken.
#[derive(Debug)]
pub(super) struct Pace {
    /// The quickest answer over this connection: how far the server is away.
    quickest: Option<Duration>,
}

impl Pace {
    pub fn new() -> Self {
        Pace { quickest: None }
    }

    pub fn answered(&mut self, after: Duration) {
        let quickest = self.quickest.map_or(after, |quickest| quickest.min(after));
        self.quickest = Some(quickest);
    }

    /// Whether one more command may follow so many that are unanswered, the oldest for so long.
    pub fn admits_held(&self, unanswered: usize) -> bool {
        unanswered < MOST
    }

    /// Whether one more new run may.
    pub fn admits_new(&self, unanswered: usize, oldest: Duration) -> bool {
        let quickest = self.quickest.unwrap_or_default();
        unanswered < FEW || unanswered < MOST_NEW && oldest < quickest * 2 + BEHIND
    }
}

const MOST: usize = 16_384;
const MOST_NEW: usize = 2_048;
/// So many are no load.
const FEW: usize = 32;
/// How long the server may take longer than it could.
const BEHIND: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn new_runs_wait_while_the_server_is_behind_and_what_is_held_does_not() {
        let mut pace = Pace::new();
        pace.answered(millis(1));
        assert!(pace.admits_new(1000, millis(41)));
        assert!(!pace.admits_new(1000, millis(42)));
        assert!(pace.admits_held(1000));
    }

    #[test]
    fn a_few_are_always_sent_and_endlessly_many_never() {
        let pace = Pace::new();
        assert!(pace.admits_new(FEW - 1, millis(1000)));
        assert!(!pace.admits_new(MOST_NEW, Duration::ZERO));
        assert!(!pace.admits_held(MOST));
    }

    #[test]
    fn a_server_far_away_is_not_taken_for_one_that_is_behind() {
        let mut pace = Pace::new();
        for after in [120, 100, 300] {
            pace.answered(millis(after));
        }
        assert!(pace.admits_new(1000, millis(239)));
        assert!(!pace.admits_new(1000, millis(240)));
    }
}
