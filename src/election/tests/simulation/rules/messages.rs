use std::collections::VecDeque;
use std::time::Duration;

use super::Verdict;
use crate::election::Time;

/// A flood of messages makes nobody ask more than five times between two polls: once to look, and four
/// times for releases, beside one for each time that the record was really written.
#[derive(Default)]
pub struct Messages {
    asked: VecDeque<Time>,
    written: VecDeque<Time>,
}

impl Messages {
    /// A message made a candidate with this ttl send something.
    pub fn caused(&mut self, now: Time, ttl: Duration) -> Verdict {
        let interval = ttl / 3;
        self.asked.push_back(now);
        for times in [&mut self.asked, &mut self.written] {
            let over = |at: &Time| now.since(*at) >= interval;
            while times.front().is_some_and(over) {
                times.pop_front();
            }
        }
        if self.asked.len() > 5 + self.written.len() {
            return Err(format!(
                "messages caused {} questions within {interval:?}",
                self.asked.len()
            ));
        }
        Ok(())
    }

    pub fn write(&mut self, now: Time) {
        self.written.push_back(now);
    }
}
