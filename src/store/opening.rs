use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::RedisSource;
use super::connection::{Connection, Unopened};
use super::socket::Progress;

/// An attempt to connect.
pub(super) struct Opening {
    attempt: Pin<Box<dyn Future<Output = Result<Connection, Unopened>> + Send>>,
    /// How long it may take, and until when.
    allowed: Duration,
    until: Instant,
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
    pub fn new(source: Arc<RedisSource>, allowed: Duration, fixed: bool) -> Self {
        let until = Instant::now() + allowed;
        let progress = Progress::default();
        let reached = progress.clone();
        Opening {
            attempt: Box::pin(async move { Connection::open(&source, until, &reached).await }),
            progress,
            allowed,
            until,
            fixed,
        }
    }

    /// Somebody came to wait for it who has only so long from now.
    pub fn hurry(&mut self, allowed: Duration) {
        let until = Instant::now() + allowed;
        if until < self.until && !self.fixed {
            self.until = until;
            self.allowed = allowed;
        }
    }

    /// What comes of it. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Result<Connection, Unopened>, CutShort> {
        let opened = timeout_at(self.until, &mut self.attempt).await;
        opened.map_err(|_| CutShort {
            allowed: self.allowed,
            progress: self.progress.clone(),
        })
    }
}
