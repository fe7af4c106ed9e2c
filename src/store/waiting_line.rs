//! What waits to be sent.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::ask::Ask;
use crate::election::run::RunCommand;
use crate::election::{Identity, planted};

/// A command that waits to be sent, and then for its answer.
pub(super) trait Waits {
    /// The run that it is about.
    fn identity(&self) -> Option<Identity>;

    fn rank(&self) -> Rank;

    /// How long its answer may take, as its caller knows it.
    fn bound(&self) -> Duration;

    /// The same, less what it takes to tell the caller.
    fn patience(&self) -> Duration;

    /// When it is answered at the latest.
    fn deadline(&self) -> Instant;

    /// It is sent now: its answer is to come within its patience.
    fn note_sent(&mut self, now: Instant);
}

/// How much a command may wait for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// A lease may be lost for it: what is about an election, and the renewal of a run.
    Pressing,
    /// A run gives its lease back.
    Leaving,
    /// It asks for the lease of a run that has none yet.
    New,
}

impl Rank {
    pub fn of_run(command: &RunCommand) -> Self {
        match command {
            RunCommand::Acquire { .. } => Rank::New,
            RunCommand::Renew { .. } | RunCommand::Begin { .. } => Rank::Pressing,
            RunCommand::Release { .. } | RunCommand::Withdraw { .. } => Rank::Leaving,
        }
    }
}

/// Commands that were not sent, by their rank. Each run's commands keep their order.
pub(super) struct WaitingLine<A = Ask> {
    pressing: VecDeque<A>,
    leaving: VecDeque<A>,
    new: VecDeque<A>,
    /// How many wait among the new ones, of each run.
    of_run: HashMap<Identity, usize>,
}

impl<A> Default for WaitingLine<A> {
    fn default() -> Self {
        WaitingLine {
            pressing: VecDeque::new(),
            leaving: VecDeque::new(),
            new: VecDeque::new(),
            of_run: HashMap::new(),
        }
    }
}

impl<A: Waits> WaitingLine<A> {
    pub fn push(&mut self, ask: A) {
        let rank = match planted!(FirstComeFirstSent) {
            true => Rank::New,
            false => ask.rank(),
        };
        let identity = ask.identity();
        let behind = identity.filter(|identity| {
            rank == Rank::New || !self.of_run.is_empty() && self.of_run.contains_key(identity)
        });
        if let Some(identity) = behind {
            *self.of_run.entry(identity).or_default() += 1;
        }
        match rank {
            _ if behind.is_some() => self.new.push_back(ask),
            Rank::Pressing => self.pressing.push_back(ask),
            Rank::Leaving => self.leaving.push_back(ask),
            Rank::New => self.new.push_back(ask),
        }
    }

    pub fn has_pressing(&self) -> bool {
        !self.pressing.is_empty()
    }

    pub fn pop_pressing(&mut self) -> Option<A> {
        self.pressing.pop_front()
    }

    /// The next of those that can wait.
    pub fn pop_other(&mut self) -> Option<A> {
        self.leaving.pop_front().or_else(|| self.pop_new())
    }

    fn pop_new(&mut self) -> Option<A> {
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
    pub fn pop_late(&mut self, now: Instant) -> Option<A> {
        let is_late = |ask: Option<&A>| ask.is_some_and(|ask| ask.deadline() <= now);
        if is_late(self.pressing.front()) {
            self.pressing.pop_front()
        } else if is_late(self.leaving.front()) {
            self.leaving.pop_front()
        } else if is_late(self.new.front()) {
            self.pop_new()
        } else {
            None
        }
    }

    /// When [`WaitingLine::pop_late`] is to be asked next.
    pub fn next_due(&self) -> Option<Instant> {
        let fronts = [&self.pressing, &self.leaving, &self.new].map(VecDeque::front);
        fronts.into_iter().flatten().map(Waits::deadline).min()
    }

    pub fn take_all(&mut self) -> impl Iterator<Item = A> + use<A> {
        let WaitingLine {
            pressing,
            leaving,
            new,
            ..
        } = std::mem::take(self);
        pressing.into_iter().chain(leaving).chain(new)
    }

    pub fn iter(&self) -> impl Iterator<Item = &A> {
        self.pressing.iter().chain(&self.leaving).chain(&self.new)
    }

    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::election::run::{RunOutcome, RunRequest};
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
            patience: bound,
            command,
            tell_sent: false,
        };
        let nobody: Arc<dyn RunAnswers> = Arc::new(Nobody);
        let asked = AskedRun::new(Arc::default(), "mail".into(), 1, request, nobody);
        Ask {
            what: Asked::Run(asked),
            ttl,
            to_be_sent: bound,
            bound,
            asked_at: start,
            deadline: start + bound,
            end: start + bound,
        }
    }

    /// In the order in which they are sent: a new one as its number, another as that below zero.
    fn emptied(mut line: WaitingLine) -> Vec<i64> {
        let mut left = Vec::new();
        while let Some(ask) = line.pop_pressing().or_else(|| line.pop_other()) {
            let number: i64 = ask.identity().unwrap().to_string().parse().unwrap();
            left.push(if ask.rank() == Rank::New {
                number
            } else {
                -number
            });
        }
        assert!(line.is_empty() && line.of_run.is_empty());
        left
    }

    #[test]
    fn what_leaves_overtakes_new_runs_but_never_its_own() {
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
        line.pop_other();
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
