use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, Unopened};
use super::deadline::Deadline;
use super::route::Route;
use super::socket::Progress;

/// An attempt to connect.
pub(super) struct Opening {
    attempt: Pin<Box<dyn Future<Output = Result<Connection, Unopened>> + Send>>,
    /// How long it may take, and until when.
    allowed: Duration,
    until: Deadline,
    progress: Progress,
    /// Nobody's hurry shortens it: the one before was cut short.
    fixed: bool,
}

/// The attempt has had its time, which was this.
pub(super) struct CutShort {
    pub allowed: Duration,
    pub progress: Progress,
}

impl Opening {
    pub fn new(route: Route, allowed: Duration, fixed: bool) -> Self {
        let until = Deadline::new(Instant::now() + allowed);
        let progress = Progress::default();
        let (known, reached) = (until.clone(), progress.clone());
        Opening {
            attempt: Box::pin(async move { route.open(&known, &reached).await }),
            progress,
            allowed,
            until,
            fixed,
        }
    }

    /// Somebody came to wait for it who has only so long from now.
    pub fn hurry(&mut self, allowed: Duration) {
        let until = Instant::now() + allowed;
        if until < self.until.at() && !self.fixed {
            self.until.set(until);
            self.allowed = allowed;
        }
    }

    /// Why there is no connection yet.
    pub fn cause(&self, waited: Duration, address: &str) -> Arc<str> {
        self.progress.cause(waited, address)
    }

    /// What comes of it. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Result<Connection, Unopened>, CutShort> {
        let opened = timeout_at(self.until.at(), &mut self.attempt).await;
        opened.map_err(|_| CutShort {
            allowed: self.allowed,
            progress: self.progress.clone(),
        })
    }
}
