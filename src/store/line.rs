//! What waits to be sent.

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use super::ask::Ask;
use crate::election::Identity;

/// Commands that were not sent. What is held goes before new runs; each run's commands keep their
/// order.
#[derive(Default)]
pub(super) struct Line {
    held: VecDeque<Ask>,
    new: VecDeque<Ask>,
    /// How many wait among the new ones, of each run.
    of_run: HashMap<Identity, usize>,
}

impl Line {
    pub fn push(&mut self, ask: Ask) {
        let identity = ask.identity();
        let behind = identity.filter(|identity| {
            ask.is_new_run() || !self.of_run.is_empty() && self.of_run.contains_key(identity)
        });
        match behind {
            Some(identity) => {
                *self.of_run.entry(identity).or_default() += 1;
                self.new.push_back(ask);
            }
            None => self.held.push_back(ask),
        }
    }

    pub fn pop_held(&mut self) -> Option<Ask> {
        self.held.pop_front()
    }

    pub fn pop_new(&mut self) -> Option<Ask> {
        let ask = self.new.pop_front()?;
        if let Some(identity) = ask.identity()
            && let Some(count) = self.of_run.get_mut(&identity)
        {
            *count -= 1;
            if *count == 0 {
                self.of_run.remove(&identity);
            }
        }
        Some(ask)
    }

    /// Those whose time is over.
    pub fn take_late(&mut self, now: Instant) -> Vec<Ask> {
        if self.iter().all(|ask| ask.deadline > now) {
            return Vec::new();
        }
        let mut late = Vec::new();
        for ask in self.take_all() {
            match ask.deadline <= now {
                true => late.push(ask),
                false => self.push(ask),
            }
        }
        late
    }

    pub fn take_all(&mut self) -> impl Iterator<Item = Ask> + use<> {
        let Line { held, new, .. } = std::mem::take(self);
        held.into_iter().chain(new)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Ask> {
        self.held.iter().chain(&self.new)
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.new.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;
    use crate::election::scoped::ScopedCommand;
    use crate::store::ask::Asker;
    use crate::store::keys::{Place, ScopedKeys};
    use crate::store::scoped;

    /// About the run of that number, with so many milliseconds left.
    fn ask(start: Instant, number: u128, new: bool, millis: u64) -> Ask {
        let identity = Identity::new(number);
        let ttl = Duration::from_secs(5);
        let command = match new {
            true => ScopedCommand::Acquire {
                identity,
                ttl,
                tick: None,
            },
            false => ScopedCommand::Withdraw {
                identity,
                tick: None,
            },
        };
        let place = Place {
            key_prefix: "",
            db: 0,
        };
        let bound = Duration::from_millis(millis);
        Ask {
            invocation: scoped::invocation(ScopedKeys::new(place, "mail"), &command),
            ttl,
            bound,
            asked_at: start,
            deadline: start + bound,
            asker: Asker::Run {
                command,
                sender: oneshot::channel().0,
            },
        }
    }

    /// In the order in which they leave: a new one as its number, another as that below zero.
    fn emptied(mut line: Line) -> Vec<i64> {
        let mut left = Vec::new();
        while let Some(ask) = line.pop_held().or_else(|| line.pop_new()) {
            let number: i64 = ask.identity().unwrap().to_string().parse().unwrap();
            left.push(if ask.is_new_run() { number } else { -number });
        }
        assert!(line.is_empty() && line.of_run.is_empty());
        left
    }

    #[test]
    fn what_is_held_overtakes_new_runs_but_never_its_own() {
        let start = Instant::now();
        let mut line = Line::default();
        for (number, new) in [(1, true), (2, true), (1, false), (3, false), (1, true)] {
            line.push(ask(start, number, new, 100));
        }
        assert_eq!(emptied(line), [-3, 1, 2, -1, 1]);
    }

    #[test]
    fn who_has_left_holds_nobody_back() {
        let start = Instant::now();
        let mut line = Line::default();
        line.push(ask(start, 1, true, 100));
        line.push(ask(start, 2, true, 100));
        line.pop_new();
        line.push(ask(start, 1, false, 100));
        assert_eq!(emptied(line), [-1, 2]);
    }

    #[test]
    fn those_whose_time_is_over_are_taken_and_the_others_keep_their_order() {
        let start = Instant::now();
        let mut line = Line::default();
        for (number, new, millis) in [
            (1, true, 100),
            (2, true, 10),
            (3, false, 10),
            (1, false, 100),
        ] {
            line.push(ask(start, number, new, millis));
        }
        let late = line.take_late(start + Duration::from_millis(10));
        assert_eq!(late.len(), 2);
        assert_eq!(emptied(line), [1, -1]);
    }
}
