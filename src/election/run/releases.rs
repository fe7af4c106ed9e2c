use std::time::Duration;

use crate::election::{Time, planted};

/// What messages may cause. They are hints, and anybody can send one: however many come, a waiter asks
/// four times in one interval because of them, and hears of what it missed at its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Releases {
    since: Time,
    asked: u32,
}

impl Releases {
    /// When one that can be had from `at` may be asked for.
    pub fn ask_at(&self, at: Time, interval: Duration) -> Time {
        let next = self.since + interval;
        match self.asked < MOST || at >= next || planted!(EveryMessageAsks) {
            true => at,
            false => next,
        }
    }

    pub fn note_asked(&mut self, now: Time, interval: Duration) {
        if self.asked == 0 || now >= self.since + interval {
            *self = Releases {
                since: now,
                asked: 0,
            };
        }
        self.asked += 1;
    }
}

const MOST: u32 = 4;
