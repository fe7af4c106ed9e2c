use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::election::Time;

/// When which of many wants to be called. What was set for earlier makes no other entry: one that rings too early is
/// cheaper.
#[derive(Default)]
pub(super) struct Alarms(BinaryHeap<Reverse<(Time, u64)>>);

impl Alarms {
    /// Sets the alarm of one for when it wants to be called, unless its last, `set_for`, rings before.
    pub fn set(&mut self, now: Time, number: u64, at: Option<Time>, set_for: &mut Option<Time>) {
        if let Some(at) = at
            && set_for.is_none_or(|set| at < set)
        {
            // What is due already is done when all else is.
            let at = at.max(now);
            *set_for = Some(at);
            self.0.push(Reverse((at, number)));
        }
    }

    pub fn first(&self) -> Option<Time> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// The next whose time has come, and for when it was set.
    pub fn pop_due(&mut self, now: Time) -> Option<(Time, u64)> {
        self.first().filter(|at| *at <= now)?;
        self.0.pop().map(|Reverse(entry)| entry)
    }

    /// Forgets the alarms of those that have ended, when they are more than those of the `living`, and gives back
    /// what a burst took.
    pub fn tidy(&mut self, living: usize, is_set: impl Fn(Time, u64) -> bool) {
        if self.0.len() > 2 * living + FEW {
            self.0.retain(|Reverse((at, number))| is_set(*at, *number));
            self.0.shrink_to(2 * living + MANY);
        }
    }

    #[cfg(test)]
    pub fn len_and_capacity(&self) -> (usize, usize) {
        (self.0.len(), self.0.capacity())
    }
}

pub(super) const FEW: usize = 64;
/// So many are heard in one go, and the memory of so many is kept behind a burst.
pub(super) const MANY: usize = 1_024;
