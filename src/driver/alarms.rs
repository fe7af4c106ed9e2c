use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::election::Time;

/// When which of many wants to be called. Who is set anew keeps its earlier entries, which are no longer set: to find
/// them would take longer than to leave them out when they come first.
#[derive(Default)]
pub(super) struct Alarms(BinaryHeap<Reverse<(Time, u64)>>);

impl Alarms {
    pub fn set(&mut self, at: Time, number: u64) {
        self.0.push(Reverse((at, number)));
    }

    /// When the first rings, which may be set no longer.
    pub fn earliest(&self) -> Option<Time> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// When the first that is set rings: nobody is woken for the others.
    pub fn first(&mut self, is_set: impl Fn(Time, u64) -> bool) -> Option<Time> {
        while let Some(Reverse((at, number))) = self.0.peek() {
            if is_set(*at, *number) {
                return Some(*at);
            }
            self.0.pop();
        }
        None
    }

    /// The next whose time has come, and for when it was set.
    pub fn pop_due(&mut self, now: Time) -> Option<(Time, u64)> {
        self.earliest().filter(|at| *at <= now)?;
        self.0.pop().map(|Reverse(entry)| entry)
    }

    /// Forgets those that are no longer set, when they are more than those of the `living`, and gives back
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
/// The memory of so many is kept behind a burst.
pub(super) const MANY: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Time {
        Time::from_micros(micros)
    }

    #[test]
    fn nobody_is_woken_for_what_is_no_longer_set() {
        let mut alarms = Alarms::default();
        // The first was to ring for a renewal that was answered since.
        for micros in [10, 20, 30] {
            alarms.set(at(micros), 7);
        }
        let is_set = |time, _| time == at(30);
        assert_eq!(alarms.first(is_set), Some(at(30)));
        assert_eq!(alarms.pop_due(at(29)), None);
        assert_eq!(alarms.pop_due(at(30)), Some((at(30), 7)));
        assert_eq!(alarms.first(is_set), None);
    }

    #[test]
    fn one_that_is_set_anew_again_and_again_leaves_no_heap_behind() {
        let mut alarms = Alarms::default();
        for micros in 0..100_000 {
            alarms.set(at(micros), 7);
            alarms.tidy(1, |time, _| time == at(micros));
            assert!(alarms.0.len() <= FEW + 2, "{}", alarms.0.len());
        }
    }
}
