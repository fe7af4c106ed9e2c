//! What waits to be sent.

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use super::ask::Ask;
use crate::election::Identity;

/// Commands that were not sent. What is held goes before new runs; each run's commands keep their
/// order.
#[derive(Default)]
pub(super) struct WaitingLine {
    held: VecDeque<Ask>,
    new: VecDeque<Ask>,
    /// How many wait among the new ones, of each run.
    of_run: HashMap<Identity, usize>,
}

impl WaitingLine {
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

    /// Those whose time is over, as far as nobody with more time stands before them: they are never
    /// sent, and whoever waits for them knows the time too. To look at all again and again would take
    /// the time that a crowd does not have.
    pub fn pop_late(&mut self, now: Instant) -> Option<Ask> {
        let is_late = |ask: Option<&Ask>| ask.is_some_and(|ask| ask.deadline <= now);
        if is_late(self.held.front()) {
            self.pop_held()
        } else if is_late(self.new.front()) {
            self.pop_new()
        } else {
            None
        }
    }

    /// When [`WaitingLine::pop_late`] is to be asked next.
    pub fn next_due(&self) -> Option<Instant> {
        let fronts = [self.held.front(), self.new.front()];
        fronts.into_iter().flatten().map(|ask| ask.deadline).min()
    }

    pub fn take_all(&mut self) -> impl Iterator<Item = Ask> + use<> {
        let WaitingLine { held, new, .. } = std::mem::take(self);
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
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::election::run::{RunCommand, RunOutcome, RunRequest};
    use crate::election::{Failure, Time};
    use crate::store::RunAnswers;
    use crate::store::ask::{Asked, AskedRun};

    struct Nobody;

    impl RunAnswers for Nobody {
        fn answer(&self, _: u64, _: RunRequest, _: Result<RunOutcome, Failure>) {}

        fn sent(&self, _: u64, _: u64) {}
    }

    /// About the run of that number, with so many milliseconds left.
    fn ask(start: Instant, number: u128, new: bool, millis: u64) -> Ask {
        let identity = Identity::new(number);
        let ttl = Duration::from_secs(5);
        let command = match new {
            true => RunCommand::Acquire {
                identity,
                ttl,
                tick: None,
            },
            false => RunCommand::Withdraw {
                identity,
                tick: None,
            },
        };
        let bound = Duration::from_millis(millis);
        let request = RunRequest {
            id: 1,
            sent_at: Time::ZERO,
            bound,
            command,
            tell_sent: false,
        };
        let nobody: Arc<dyn RunAnswers> = Arc::new(Nobody);
        let asked = AskedRun::new(Arc::default(), "mail".into(), 1, request, nobody);
        Ask {
            what: Asked::Run(asked),
            ttl,
            bound,
            asked_at: start,
            deadline: start + bound,
        }
    }

    /// In the order in which they leave: a new one as its number, another as that below zero.
    fn emptied(mut line: WaitingLine) -> Vec<i64> {
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
        let mut line = WaitingLine::default();
        for (number, new) in [(1, true), (2, true), (1, false), (3, false), (1, true)] {
            line.push(ask(start, number, new, 100));
        }
        assert_eq!(emptied(line), [-3, 1, 2, -1, 1]);
    }

    #[test]
    fn who_has_left_holds_nobody_back() {
        let start = Instant::now();
        let mut line = WaitingLine::default();
        line.push(ask(start, 1, true, 100));
        line.push(ask(start, 2, true, 100));
        line.pop_new();
        line.push(ask(start, 1, false, 100));
        assert_eq!(emptied(line), [-1, 2]);
    }

    #[test]
    fn those_whose_time_is_over_are_taken_from_the_front() {
        let start = Instant::now();
        let mut line = WaitingLine::default();
        for (number, new, millis) in [
            (1, true, 10),
            (2, true, 100),
            (3, false, 20),
            (2, false, 100),
        ] {
            line.push(ask(start, number, new, millis));
        }
        let after = |millis| start + Duration::from_millis(millis);
        assert_eq!(line.next_due(), Some(after(10)));
        assert!(line.pop_late(after(9)).is_none());
        let mut late = || line.pop_late(after(20)).and_then(|ask| ask.identity());
        assert_eq!(late(), Some(Identity::new(3)));
        assert_eq!(late(), Some(Identity::new(1)));
        assert_eq!(late(), None);
        assert_eq!(line.next_due(), Some(after(100)));
        assert_eq!(emptied(line), [2, -2]);
    }
}
