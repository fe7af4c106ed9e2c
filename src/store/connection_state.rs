use std::collections::HashSet;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::{RedisError, ServerErrorKind, Value, cmd};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::RedisSource;
use super::connection::{Connection, Push, Unopened, ask};
use super::error::refuses_evalsha;
use super::script::Invocation;

/// Where a supervisor is with its connection.
pub(super) enum ConnectionState {
    /// The store has not been used yet.
    Unused,
    /// Until the next attempt.
    Pausing(Instant),
    Opening(Opening),
    Open(Box<Open>),
}

/// An attempt to connect.
pub(super) struct Opening {
    attempt: Pin<Box<dyn Future<Output = Result<Connection, Unopened>> + Send>>,
    /// How long it may take, and until when.
    allowed: Duration,
    until: Instant,
    /// Nobody's hurry shortens it: the one before was cut short.
    fixed: bool,
}

/// What happens on the connection.
pub(super) enum ConnectionEvent {
    PauseOver,
    Opened(Result<Connection, Unopened>),
    /// The attempt to connect has had its time, which was this.
    CutShort(Duration),
    Done(Done),
    Pushed(Push),
    /// The server, or the network, closed the connection.
    Closed,
}

/// What became of something that was sent.
pub(super) enum Done {
    /// Of the command with this number.
    Asked(u64, Result<Value, RedisError>),
    Subscribed(Arc<str>, Result<Value, RedisError>),
    Unsubscribed(Arc<str>, Result<Value, RedisError>),
}

pub(super) struct Open {
    connection: Connection,
    pub since: Instant,
    /// Everything that was sent and is unanswered, polled first in the order of sending.
    sent: FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send>>>,
    /// The scripts that were sent in full over this connection, by their SHA1.
    known: HashSet<&'static str>,
    /// The server refuses EVALSHA.
    by_text_only: Arc<AtomicBool>,
}

impl ConnectionState {
    /// The next thing that happens. Dropping the future loses nothing.
    pub async fn next(&mut self) -> ConnectionEvent {
        match self {
            ConnectionState::Unused => pending().await,
            ConnectionState::Pausing(until) => {
                sleep_until(*until).await;
                ConnectionEvent::PauseOver
            }
            ConnectionState::Opening(opening) => opening.next().await,
            ConnectionState::Open(open) => open.next().await,
        }
    }
}

impl Opening {
    pub fn new(source: Arc<RedisSource>, allowed: Duration, fixed: bool) -> Self {
        let until = Instant::now() + allowed;
        Opening {
            attempt: Box::pin(async move { Connection::open(&source, until).await }),
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

    async fn next(&mut self) -> ConnectionEvent {
        match timeout_at(self.until, &mut self.attempt).await {
            Ok(opened) => ConnectionEvent::Opened(opened),
            Err(_) => ConnectionEvent::CutShort(self.allowed),
        }
    }
}

impl Open {
    pub fn new(connection: Connection) -> Self {
        Open {
            connection,
            since: Instant::now(),
            sent: FuturesUnordered::new(),
            known: HashSet::new(),
            by_text_only: Arc::default(),
        }
    }

    async fn next(&mut self) -> ConnectionEvent {
        tokio::select! {
            // An answer that came before the connection closed still counts.
            biased;
            Some(done) = self.sent.next(), if !self.sent.is_empty() => ConnectionEvent::Done(done),
            Some(push) = self.connection.pushes.recv() => ConnectionEvent::Pushed(push),
            _ = &mut self.connection.driver => ConnectionEvent::Closed,
        }
    }

    /// An answer that is already here, without waiting.
    pub fn ready(&mut self) -> Option<Done> {
        self.sent.next().now_or_never().flatten()
    }

    pub fn pushing(&self) -> bool {
        self.connection.pushing
    }

    /// The first call of a script over a connection sends its text: one round trip whether the
    /// server knows the script or not, and nothing that is sent behind it overtakes it.
    pub fn ask(&mut self, number: u64, invocation: Arc<Invocation>) {
        let handle = self.connection.handle.clone();
        let known = !self.known.insert(invocation.script.sha1());
        let by_text_only = self.by_text_only.clone();
        self.sent.push(Box::pin(async move {
            if known && !by_text_only.load(Ordering::Relaxed) {
                match ask(handle.clone(), invocation.by_hash()).await {
                    // SCRIPT FLUSH.
                    Err(error) if error.kind() == ServerErrorKind::NoScript.into() => (),
                    Err(error) if refuses_evalsha(&error) => {
                        by_text_only.store(true, Ordering::Relaxed);
                    }
                    result => return Done::Asked(number, result),
                }
            }
            Done::Asked(number, ask(handle, invocation.by_text()).await)
        }));
    }

    pub fn subscribe(&mut self, channel: Arc<str>) {
        let handle = self.connection.handle.clone();
        let mut command = cmd("SUBSCRIBE");
        command.arg(&*channel);
        self.sent.push(Box::pin(async move {
            Done::Subscribed(channel, ask(handle, command).await)
        }));
    }

    pub fn unsubscribe(&mut self, channel: Arc<str>) {
        let handle = self.connection.handle.clone();
        let mut command = cmd("UNSUBSCRIBE");
        command.arg(&*channel);
        self.sent.push(Box::pin(async move {
            Done::Unsubscribed(channel, ask(handle, command).await)
        }));
    }
}
