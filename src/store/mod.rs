//! Asks Redis: the record's four operations, and the messages of its changes channel.

mod ask;
mod backoff;
mod command_keys;
mod commands;
mod connecting;
mod connection;
mod connection_state;
mod credentials;
mod deadline;
mod engine;
mod error;
mod exchange;
mod fence;
mod hello;
mod jitter;
mod keys;
mod leaving;
mod look;
mod looked;
mod memory;
mod metrics;
mod numbered;
mod one_answer;
mod opening;
mod outgoing;
mod pace;
mod patience;
mod redis_source;
mod redis_store;
mod replies;
mod reply;
mod route;
mod run;
mod script;
mod sentinel;
mod sentinel_source;
mod sentinel_url;
mod slots;
mod socket;
mod source;
mod subscriptions;
#[cfg(test)]
mod tests;
mod tls;
mod trouble;
mod unanswered;
mod waiting_line;
mod waiting_times;
mod wire;
mod words;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::election::run::{RunOutcome, RunRequest};
use crate::election::{Failure, Message, Reply, Request};

pub use command_keys::keys_of;
pub use credentials::{ReadAgain, Reader};
pub use fence::{
    CommandReply, FenceOutcome, FenceRequest, MAX_ARGUMENT_BYTES, MAX_ARGUMENTS, MAX_COMMAND_BYTES,
};
pub use keys::{check_key_prefix, fenced_election, fenced_lease};
pub use looked::{ElectionLook, LeaseLook, ListLook, ListedLook, RecordLook, RosterLook};
pub use memory::{Applied, Field, MemoryStore, Register, RunApplied, RunRegister, Server, Tells};
#[cfg(test)]
pub use memory::{mistaken, run_mistaken};
pub use numbered::Numbered;
use one_answer::OneAnswer;
pub use redis_source::{IpFamily, RedisSource};
pub use redis_store::RedisStore;
use script::unclaimed_or;
pub use sentinel_source::{Endpoint, SentinelSource};
pub use source::Source;
pub use tls::{Roots, Tls, TlsOptions, TlsVersion};
pub use words::escaped;

/// One election as a store knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The name of the election: the prefix, with the scope where there is one.
    pub name: Arc<str>,
    /// The name of this server, which a grant writes to the record for people.
    pub server: Arc<str>,
    /// How this server stands in the roster, for people ("The roster" in docs/protocol.md).
    pub entry: Arc<str>,
}

/// The answer to come, within the bound of what was asked.
pub type Answering<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// To whom the answers about elections go, of many without a future for each.
pub trait Answers: Send + Sync + 'static {
    /// What was asked about the election of a campaign, and what came of it. It must not block.
    fn answer(&self, campaign: u64, request: Request, answer: Result<Reply, Failure>);
}

/// An atomic register for the records of elections.
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// Sends a request, whose answer goes to `answers` with the number of the campaign, which is the caller's. It
    /// comes within the request's `bound` if the server says nothing, and else within its `patience`.
    ///
    /// Requests of one caller leave in the order of the calls: a release that follows an acquire
    /// goes out behind it.
    fn ask(&self, target: &Target, campaign: u64, request: Request, answers: &Arc<dyn Answers>);

    /// The same, for one who waits for the answer alone. Sending begins with the call, not with the first poll.
    fn send(&self, target: &Target, request: &Request) -> Answering<Reply> {
        let (answers, answering) = OneAnswer::awaited();
        self.ask(target, 0, request.clone(), &answers);
        answering
    }

    /// The messages of one election, until the receiver is dropped. They are hints: any may be
    /// lost, late or repeated, and where subscribing is refused none comes.
    fn subscribe(&self, target: &Target) -> mpsc::UnboundedReceiver<Message>;
}

/// To whom the answers about runs go, of many without a future for each.
pub trait RunAnswers: Send + Sync + 'static {
    /// What was asked about a run, and what came of it. It must not block.
    fn answer(&self, run: u64, request: RunRequest, answer: Result<RunOutcome, Failure>);

    /// The request with this id was written to the socket, where it asked to be told so. It must not block.
    fn sent(&self, run: u64, id: u64);
}

/// The keys of run leases.
pub trait RunStore: Send + Sync + fmt::Debug + 'static {
    /// As [`Store::send`], about the run lease of a resource. The answer goes to `answers` with the number of the
    /// run, which is the caller's.
    fn send_run(
        &self,
        resource: &Arc<str>,
        run: u64,
        request: RunRequest,
        answers: &Arc<dyn RunAnswers>,
    );

    /// The releases of a resource, each with the time after which it can be had. As
    /// [`Store::subscribe`].
    fn subscribe_releases(&self, resource: &str) -> mpsc::UnboundedReceiver<Duration>;
}

/// The highest tokens that resources have seen, and the commands that depend on them.
pub trait FenceStore: Send + Sync + fmt::Debug + 'static {
    /// Asks once. Answers at the latest when nothing has moved on the connection for the `bound`; while
    /// a large request is sent or a large reply arrives, it waits.
    ///
    /// Requests of one caller are applied in the order of the calls, or not at all. An unknown outcome
    /// is not asked for again: the command may have been applied.
    ///
    /// To be called in the runtime that is to send: large requests and replies keep it busy.
    fn fence(&self, request: FenceRequest) -> Answering<FenceOutcome>;
}

/// The user and the password of a store, which may change while it is used.
pub trait CredentialStore: Send + Sync + fmt::Debug + 'static {
    /// Whenever the server refuses the log-in, asks this reader to read the source again.
    fn on_refusal(&self, reader: Reader, read_again: ReadAgain);

    /// What was read then, or given by another caller. Counts only where the server refuses what is used.
    fn use_credentials(&self, username: Option<String>, password: Option<String>);
}

/// What is looked at from outside, without taking part.
pub trait LookStore: Send + Sync + fmt::Debug + 'static {
    /// Looks at an election. Answers `within` that time, or the time that the source has for connecting where that
    /// is shorter.
    fn look(&self, name: &str, within: Option<Duration>) -> Answering<ElectionLook>;

    /// Looks for elections and run leases from this cursor on, for a while. Each call has the time of
    /// [`look`](Self::look).
    fn list(&self, cursor: u64, within: Option<Duration>) -> Answering<ListLook>;
}

/// All that is asked of one Redis, or of the memory that stands in for it.
pub trait Backend: Store + RunStore + FenceStore + CredentialStore + LookStore {}

impl<T: Store + RunStore + FenceStore + CredentialStore + LookStore> Backend for T {}
