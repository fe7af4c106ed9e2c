//! What waits to be sent.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

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
pub(super) struct WaitingLine<A> {
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

    pub fn len(&self) -> usize {
        self.pressing.len() + self.leaving.len() + self.new.len()
    }

    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

#[cfg(test)]
mod tests;
