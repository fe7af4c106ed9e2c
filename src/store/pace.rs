//! How much is sent ahead of the answers.

use std::time::Duration;

use crate::election::planted;

/// Sends ahead what the server answers in a short while, and lets the rest wait where it can still be
/// overtaken, and dropped: no lease is to be lost to a crowd of runs.
///
/// The server's speed is learned as TCP learns a network's: more is sent ahead while all that was sent is
/// answered in time, and less when it is not. Where everything was answered before anybody looked,
/// it was this process that was late, and not the server.
#[derive(Debug)]
pub(super) struct Pace {
    /// The quickest answer over this connection: how far the server is away.
    quickest: Option<Duration>,
    /// So many may be unanswered at most.
    window: usize,
    /// How many were answered since the window was last looked at.
    answered: usize,
    /// How many are still to be answered that were sent before the window became narrower.
    before: usize,
}

impl Pace {
    pub fn new() -> Self {
        Pace {
            quickest: None,
            window: FIRST,
            answered: 0,
            before: 0,
        }
    }

    pub fn answered(&mut self, after: Duration) {
        let quickest = self.quickest.map_or(after, |quickest| quickest.min(after));
        self.quickest = Some(quickest);
        self.answered += 1;
        self.before = self.before.saturating_sub(1);
    }

    /// All that the server has said was heard: so many are unanswered, the oldest for so long.
    pub fn settle(&mut self, unanswered: usize, oldest: Duration) {
        let answered = std::mem::take(&mut self.answered);
        let late = self.late(oldest);
        if late > BEHIND {
            if self.before == 0 {
                let in_time = oldest - late + BEHIND;
                let part = in_time.as_secs_f64() / oldest.as_secs_f64();
                let narrower = (self.window as f64 * part) as usize;
                self.window = narrower.clamp(LEAST, MOST);
                self.before = unanswered;
            }
        } else if answered + unanswered < self.window / 4 {
            // Too little is asked to know what the server can do now.
            self.window = (self.window / 2).max(FIRST.min(self.window));
        } else if answered > 0 && answered + unanswered >= self.window / 2 && late <= BEHIND / 2 {
            self.window = (self.window + answered).min(MOST);
        }
    }

    /// Whether one more command for which a lease may be lost may follow so many that are unanswered.
    pub fn admits_pressing(&self, unanswered: usize) -> bool {
        unanswered < (self.window * 4).max(PRESSING) || planted!(AllSentAtOnce)
    }

    /// Whether one more of the others may follow so many, the oldest unanswered for so long.
    pub fn admits(&self, unanswered: usize, oldest: Duration) -> bool {
        let in_time = unanswered < self.window && self.late(oldest) <= BEHIND;
        unanswered < LEAST || in_time || planted!(AllSentAtOnce)
    }

    /// How much longer that is than the server could take.
    fn late(&self, after: Duration) -> Duration {
        after.saturating_sub(self.quickest.unwrap_or_default())
    }
}

/// So many are sent ahead before anything is known of the server.
const FIRST: usize = 8;
/// However slow the server is, it has something to do.
const LEAST: usize = 2;
const MOST: usize = 2_048;
/// So many are always sent of what is pressing, which asks again only when it was answered: thousands of elections
/// are renewed in time on a machine that lets this process and the server run now and then. It is bounded too:
/// what comes to its end unsent costs the server nothing.
const PRESSING: usize = 1_024;
/// How long the server may take longer than it could.
const BEHIND: Duration = Duration::from_millis(25);

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// What a server answers of a crowd in turns of a millisecond: how many are unanswered at most, after the
    /// first few turns.
    fn ahead(per_milli: usize, away: u64) -> usize {
        let mut pace = Pace::new();
        let (mut sent, mut most) = (std::collections::VecDeque::new(), 0);
        for now in 0..4_000_u64 {
            for _ in 0..per_milli {
                if sent.front().is_some_and(|at| now - at >= away) {
                    let at = sent.pop_front().unwrap();
                    pace.answered(millis(now - at));
                }
            }
            let oldest = |sent: &std::collections::VecDeque<u64>| {
                millis(sent.front().map_or(0, |at| now - at))
            };
            pace.settle(sent.len(), oldest(&sent));
            while pace.admits(sent.len(), oldest(&sent)) {
                sent.push_back(now);
            }
            if now > 2_000 {
                most = most.max(sent.len());
            }
        }
        most
    }

    #[test]
    fn no_more_is_sent_ahead_than_the_server_answers_in_a_short_while() {
        for (per_milli, away) in [(1, 1), (5, 1), (20, 1)] {
            let ahead = ahead(per_milli, away);
            let within = ahead / per_milli;
            assert!((10..100).contains(&within), "{ahead} of {per_milli} a ms");
        }
    }

    #[test]
    fn a_server_far_away_is_not_taken_for_one_that_is_behind() {
        let ahead = ahead(10, 100);
        assert!(ahead >= 1_000, "{ahead}");
    }

    #[test]
    fn what_is_pressing_may_follow_where_others_wait() {
        let pace = Pace::new();
        assert!(!pace.admits(FIRST, Duration::ZERO));
        assert!(pace.admits_pressing(FIRST));
        assert!(!pace.admits_pressing(PRESSING));
    }

    #[test]
    fn a_few_are_sent_however_far_behind_the_server_is() {
        let mut pace = Pace::new();
        pace.settle(FIRST, millis(60_000));
        assert!(pace.admits(LEAST - 1, millis(60_000)));
        assert!(!pace.admits(LEAST, millis(60_000)));
    }

    #[test]
    fn whoever_looks_late_finds_all_answered_and_sends_more_ahead() {
        let mut pace = Pace::new();
        let mut ahead = Vec::new();
        for _ in 0..8 {
            let mut sent = 0;
            while pace.admits(sent, Duration::ZERO) {
                sent += 1;
            }
            ahead.push(sent);
            (0..sent).for_each(|_| pace.answered(millis(300)));
            pace.settle(0, Duration::ZERO);
        }
        assert_eq!(ahead, [8, 16, 32, 64, 128, 256, 512, 1024]);
    }
}
