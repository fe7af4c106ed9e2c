use std::sync::Arc;

use super::{Failure, Time};

/// What this candidate knows of the store's health.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    /// The send time of the first command since the last answer.
    pub waiting_since: Option<Time>,
    /// It has been reported as unavailable.
    pub unavailable: bool,
    cause: Option<Arc<str>>,
}

impl Health {
    pub fn failed(&mut self, failure: &Failure) {
        self.cause = Some(failure.cause().clone());
    }

    pub fn cause(&self) -> Arc<str> {
        self.cause
            .clone()
            .unwrap_or_else(|| "no answer from the store".into())
    }

    /// Notes an answer; true when the store had been reported as unavailable.
    pub fn answered(&mut self) -> bool {
        std::mem::take(self).unavailable
    }
}
