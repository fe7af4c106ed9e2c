use std::collections::VecDeque;
use std::time::Duration;

use super::Verdict;
use crate::election::Time;

/// A flood of messages makes nobody ask more than five times between two polls: once to look, and four
/// times for releases.
#[derive(Default)]
pub struct Messages {
    asked: VecDeque<Time>,
}

impl Messages {
    /// A message made a candidate with this ttl send something.
    pub fn caused(&mut self, now: Time, ttl: Duration) -> Verdict {
        let interval = ttl / 3;
        self.asked.push_back(now);
        while self
            .asked
            .front()
            .is_some_and(|at| now.since(*at) >= interval)
        {
            self.asked.pop_front();
        }
        if self.asked.len() > 5 {
            return Err(format!(
                "messages caused {} questions within {interval:?}",
                self.asked.len()
            ));
        }
        Ok(())
    }
}
