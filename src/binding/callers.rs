//! Callers who wait for an answer, each with the number of what it answers.

use std::cell::RefCell;

use super::promise::Deferred;

#[derive(Default)]
pub struct Callers(RefCell<Vec<(u64, Deferred)>>);

impl Callers {
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub fn add(&self, number: u64, caller: Deferred) {
        self.0.borrow_mut().push((number, caller));
    }

    /// Those of this number and of the ones before it, who wait no longer.
    pub fn take_until(&self, number: u64) -> Vec<Deferred> {
        let all = self.0.take();
        let (taken, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(n, _)| *n <= number);
        *self.0.borrow_mut() = others;
        taken.into_iter().map(|(_, caller)| caller).collect()
    }

    pub fn take_all(&self) -> Vec<Deferred> {
        self.take_until(u64::MAX)
    }
}
