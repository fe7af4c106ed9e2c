use std::collections::VecDeque;

use super::{Arithmetic, Verdict};
use crate::election::Time;

/// R7: a caller that resigns is answered when what was held has run out, at the latest.
#[derive(Default)]
pub struct Leaving {
    /// The end of the window that was confirmed last.
    window_end: Time,
    /// Until when each resign without an answer may wait.
    waiting: VecDeque<Time>,
}

impl Leaving {
    pub fn confirmed(&mut self, sent: Time, arithmetic: &Arithmetic) {
        self.window_end = self.window_end.max(sent + arithmetic.window());
    }

    /// Until when it may wait; where nothing is held, as long as one command may take.
    pub fn resigned(&mut self, now: Time, arithmetic: &Arithmetic) -> Time {
        let latest = self.window_end.max(now + arithmetic.ttl / 6);
        self.waiting.push_back(latest);
        latest
    }

    pub fn unconfirmed(&mut self) -> Verdict {
        match self.waiting.pop_front() {
            Some(_) => Ok(()),
            None => Err("a resign was answered, and all had been".into()),
        }
    }

    pub fn ended(&mut self) {
        self.waiting.clear();
    }

    /// The deadline and the worst lateness have passed.
    pub fn passed(&self, deadline: Time) -> Verdict {
        match self.waiting.front() {
            Some(until) if *until <= deadline => {
                Err("whoever resigned has no answer, though all that was held has run out".into())
            }
            _ => Ok(()),
        }
    }
}
