//! The ends of a campaign, which can be established again after each: who waits for which.

use std::cell::{Cell, RefCell};

use super::callers::Callers;
use super::promise::Deferred;
use crate::election::Time;

#[derive(Default)]
pub struct Ends {
    drain: RefCell<Option<Drain>>,
    /// Callers who wait for the end, with the number of their resign.
    leaving: Callers,
    /// The number of the latest resign, of the latest that nobody need wait for any longer, and of the
    /// latest that has ended.
    resigned: Cell<u64>,
    answered: Cell<u64>,
    ended: Cell<u64>,
}

/// A resign that has not been sent yet: the lease is renewed until the work under it has stopped.
pub struct Drain {
    until: Time,
    /// Callers who wait for the end,
    pub leaving: Vec<Deferred>,
    /// and callers who want to stand again after it.
    pub standing: Vec<Deferred>,
}

/// How a resign that is put off stands to one that was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    First,
    Sooner,
    /// It changes nothing.
    Later,
}

impl Ends {
    /// The number of the latest resign.
    pub fn era(&self) -> u64 {
        self.resigned.get()
    }

    /// Nothing of a resign is on its way any more.
    pub fn are_over(&self) -> bool {
        self.ended.get() >= self.resigned.get()
    }

    pub fn is_draining(&self) -> bool {
        self.drain.borrow().is_some()
    }

    /// Puts a resign off; its caller waits for the end.
    pub fn put_off(&self, until: Time, caller: Deferred) -> Put {
        let mut present = self.drain.borrow_mut();
        match &mut *present {
            Some(drain) => {
                drain.leaving.push(caller);
                if drain.until <= until {
                    return Put::Later;
                }
                drain.until = until;
                Put::Sooner
            }
            None => {
                *present = Some(Drain {
                    until,
                    leaving: vec![caller],
                    standing: Vec::new(),
                });
                Put::First
            }
        }
    }

    /// Keeps a caller until the drain is over; gives it back where there is none.
    pub fn keep_until_drained(&self, caller: Deferred) -> Option<Deferred> {
        match &mut *self.drain.borrow_mut() {
            Some(drain) => {
                drain.standing.push(caller);
                None
            }
            None => Some(caller),
        }
    }

    /// Those who wanted to stand again after the drain.
    pub fn take_standing(&self) -> Vec<Deferred> {
        let mut drain = self.drain.borrow_mut();
        drain
            .as_mut()
            .map(|drain| drain.standing.split_off(0))
            .unwrap_or_default()
    }

    pub fn take_drain(&self) -> Option<Drain> {
        self.drain.take()
    }

    /// A resign was sent.
    pub fn begin(&self, resign: u64) {
        self.resigned.set(resign.max(self.resigned.get()));
    }

    /// The caller is answered at the end of this resign.
    pub fn wait_for(&self, resign: u64, caller: Deferred) {
        if self.answered.get() < resign {
            self.leaving.add(resign, caller);
        } else {
            caller.resolve(());
        }
    }

    /// This resign, and each before it, has ended.
    pub fn end(&self, resign: u64) {
        self.ended.set(resign);
        self.answer(resign);
    }

    /// Nobody waits any longer for the end of this resign, or of one before it.
    pub fn answer(&self, resign: u64) {
        self.answered.set(resign.max(self.answered.get()));
        for caller in self.leaving.take_until(resign) {
            caller.resolve(());
        }
    }
}
