use std::collections::HashSet;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::{RedisError, ServerErrorKind, Value, cmd};
use tokio::time::{Instant, sleep_until};

use super::connection::{Connection, Push, ask};
use super::script::Invocation;
use crate::election::Failure;

/// Where a supervisor is with its connection.
pub(super) enum Link {
    /// The store has not been used yet.
    Unused,
    /// Until the next attempt.
    Pausing(Instant),
    Opening(Pin<Box<dyn Future<Output = Result<Connection, Failure>> + Send>>),
    Open(Box<Open>),
}

/// What happens on the link.
pub(super) enum LinkEvent {
    PauseOver,
    Opened(Result<Connection, Failure>),
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
}

impl Link {
    /// The next thing that happens. Dropping the future loses nothing.
    pub async fn next(&mut self) -> LinkEvent {
        match self {
            Link::Unused => pending().await,
            Link::Pausing(until) => {
                sleep_until(*until).await;
                LinkEvent::PauseOver
            }
            Link::Opening(attempt) => LinkEvent::Opened(attempt.await),
            Link::Open(open) => open.next().await,
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
        }
    }

    async fn next(&mut self) -> LinkEvent {
        tokio::select! {
            // An answer that came before the connection closed still counts.
            biased;
            Some(done) = self.sent.next(), if !self.sent.is_empty() => LinkEvent::Done(done),
            Some(push) = self.connection.pushes.recv() => LinkEvent::Pushed(push),
            _ = &mut self.connection.driver => LinkEvent::Closed,
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
        self.sent.push(Box::pin(async move {
            if known {
                match ask(handle.clone(), invocation.by_hash()).await {
                    // SCRIPT FLUSH.
                    Err(error) if error.kind() == ServerErrorKind::NoScript.into() => (),
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
