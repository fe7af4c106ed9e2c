use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// When something is given up that is under way. It may become earlier meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Deadline(Arc<Mutex<Instant>>);

impl Deadline {
    pub fn new(at: Instant) -> Self {
        Deadline(Arc::new(Mutex::new(at)))
    }

    pub fn at(&self) -> Instant {
        *self.lock()
    }

    pub fn set(&self, at: Instant) {
        *self.lock() = at;
    }

    fn lock(&self) -> MutexGuard<'_, Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
