//! What waits to be sent.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::Numbered;
use super::waiting_times::WaitingTimes;
use crate::election::run::RunCommand;
use crate::election::{Identity, planted};

/// A command that waits to be sent, and then for its answer.
pub(super) trait Waits {
    /// The run that it is about.
    fn identity(&self) -> Option<Identity>;

    fn rank(&self) -> Turn;

    fn times(&self) -> &WaitingTimes;

    fn times_mut(&mut self) -> &mut WaitingTimes;
}

impl<A: Waits> Waits for Box<A> {
    fn identity(&self) -> Option<Identity> {
        (**self).identity()
    }

    fn rank(&self) -> Turn {
        (**self).rank()
    }

    fn times(&self) -> &WaitingTimes {
        (**self).times()
    }

    fn times_mut(&mut self) -> &mut WaitingTimes {
        (**self).times_mut()
    }
}

/// How much a command may wait for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// A lease may be lost for it: what is about an election, and the renewal of a run.
    Pressing,
    /// A run gives its lease back.
    Leaving,
    /// It asks for the lease of a run that has none yet.
    New,
}

impl Turn {
    pub fn of_run(command: &RunCommand) -> Self {
        match command {
            RunCommand::Acquire { .. } => Turn::New,
            RunCommand::Renew { .. } | RunCommand::Begin { .. } => Turn::Pressing,
            RunCommand::Release { .. } | RunCommand::Withdraw { .. } => Turn::Leaving,
        }
    }
}

/// Commands that were not sent, by their rank. Each run's commands keep their order.
pub(super) struct WaitingLine<A> {
    pressing: VecDeque<A>,
    leaving: VecDeque<A>,
    new: VecDeque<A>,
    /// How many wait among the new ones, of each run.
    of_run: Numbered<Identity, usize>,
}

impl<A> Default for WaitingLine<A> {
    fn default() -> Self {
        WaitingLine {
            pressing: VecDeque::new(),
            leaving: VecDeque::new(),
            new: VecDeque::new(),
            of_run: Numbered::default(),
        }
    }
}

impl<A: Waits> WaitingLine<A> {
    pub fn push(&mut self, ask: A) {
        let rank = match planted!(FirstComeFirstSent) {
            true => Turn::New,
            false => ask.rank(),
        };
        let identity = ask.identity();
        let behind = identity.filter(|identity| {
            rank == Turn::New || !self.of_run.is_empty() && self.of_run.contains_key(identity)
        });
        if let Some(identity) = behind {
            *self.of_run.entry(identity).or_default() += 1;
        }
        match rank {
            _ if behind.is_some() => self.new.push_back(ask),
            Turn::Pressing => self.pressing.push_back(ask),
            Turn::Leaving => self.leaving.push_back(ask),
            Turn::New => self.new.push_back(ask),
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
    /// sent, and a caller that waits for them knows the time too. To look at all again and again would take
    /// the time that a crowd does not have.
    pub fn pop_late(&mut self, now: Instant, connected: bool) -> Option<A> {
        let is_late =
            |ask: Option<&A>| ask.is_some_and(|ask| ask.times().sent_by(connected) <= now);
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
    pub fn next_due(&self, connected: bool) -> Option<Instant> {
        let fronts = [&self.pressing, &self.leaving, &self.new].map(VecDeque::front);
        let due = fronts.into_iter().flatten();
        due.map(|ask| ask.times().sent_by(connected)).min()
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
