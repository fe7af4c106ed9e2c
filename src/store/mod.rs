//! Asks Redis: the record's four operations, and the messages of its changes channel.

mod backoff;
mod connection;
mod error;
mod keys;
mod link;
mod memory;
mod redis_source;
mod redis_store;
mod reply;
mod script;
mod socket;
mod source;
mod subscriptions;
mod supervisor;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::election::{Failure, Message, Reply, Request};

pub use memory::{Applied, MemoryStore, Register, Server};
pub use redis_source::{IpFamily, RedisSource};
pub use redis_store::RedisStore;
pub use source::Source;

/// One election as a store knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The name of the election: the prefix, with the scope where there is one.
    pub name: Arc<str>,
    /// The name of this server, which a grant writes to the record for people.
    pub server: Arc<str>,
}

pub type Answering = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;

/// An atomic register for the records of elections.
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// Sends a request and answers within its `bound`, come what may.
    ///
    /// Requests of one caller leave in the order of the calls: a release that follows an acquire
    /// goes out behind it. Sending begins with the call, not with the first poll.
    fn send(&self, target: &Target, request: &Request) -> Answering;

    /// The messages of one election, until the receiver is dropped. They are hints: any may be
    /// lost, late or repeated, and where subscribing is refused none comes.
    fn subscribe(&self, target: &Target) -> mpsc::UnboundedReceiver<Message>;
}
