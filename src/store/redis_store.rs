use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::ask::{Ask, Asker, patience};
use super::commands::Commands;
use super::engine::{Engine, Order};
use super::error::no_answer;
use super::jitter::random;
use super::keys::{Keys, Place, RunKeys};
use super::patience::ttl_of_bound;
use super::script::Invocation;
use super::subscriptions::Receiver;
use super::trouble::Trouble;
use super::words::told;
use super::{
    Answering, FenceOutcome, FenceRequest, FenceStore, RedisSource, RunStore, Store, Target, run,
};
use crate::election::run::{RunCommand, RunOutcome, RunRequest};
use crate::election::{Command, Failure, Message, Reply, Request};

/// One Redis server, over one connection of its own, and another one for the commands of callers.
///
/// The connection is opened with the first use, closed when nobody has used it for 10 to 20 seconds, and
/// opened again with the next use. It is closed too once the store was dropped and every command
/// that was sent before has been answered or has come to its bound.
pub struct RedisStore {
    source: Arc<RedisSource>,
    commands: Commands,
    trouble: Arc<Mutex<Trouble>>,
    orders: mpsc::UnboundedSender<Order>,
}

impl RedisStore {
    /// Starts the task of the connection on `runtime`; it connects when it is first used.
    pub fn open(source: RedisSource, runtime: &Handle) -> Self {
        let source = Arc::new(source);
        let trouble: Arc<Mutex<Trouble>> = Arc::default();
        let (orders, received) = mpsc::unbounded_channel();
        let engine = Engine::new(source.clone(), trouble.clone(), received, random());
        runtime.spawn(engine.run());
        RedisStore {
            commands: Commands::new(source.clone()),
            source,
            trouble,
            orders,
        }
    }

    pub fn source(&self) -> &RedisSource {
        &self.source
    }

    fn place(&self) -> Place<'_> {
        Place {
            key_prefix: &self.source.key_prefix,
            db: self.source.db,
        }
    }

    fn keys(&self, target: &Target) -> Keys {
        Keys::new(self.place(), &target.name)
    }
}

/// How long is waited for an answer.
#[derive(Clone, Copy)]
struct Wait {
    /// As long as it was not sent.
    to_be_sent: Duration,
    /// From when it was.
    bound: Duration,
    /// In all.
    longest: Duration,
}

impl Wait {
    fn of(bound: Duration) -> Self {
        Wait {
            to_be_sent: bound,
            bound,
            longest: bound,
        }
    }
}

impl RedisStore {
    /// Sends a script for who waits at `answered`. The ttl of what it is about bounds connecting.
    fn ask<T: Send + 'static>(
        &self,
        invocation: Invocation,
        ttl: Option<Duration>,
        wait: Wait,
        asker: Asker,
        answered: oneshot::Receiver<Result<T, Failure>>,
    ) -> Answering<T> {
        let asked_at = Instant::now();
        let Wait {
            to_be_sent,
            bound,
            longest,
        } = wait;
        let order = Order::Ask(Ask {
            invocation,
            ttl: ttl.unwrap_or_else(|| ttl_of_bound(bound)),
            to_be_sent,
            bound,
            asked_at,
            deadline: asked_at + patience(to_be_sent),
            end: asked_at + patience(longest),
            asker,
        });
        // Refused only when the runtime of the task has ended; then nobody answers either.
        let _ = self.orders.send(order);
        let deadline = asked_at + longest;
        let (source, trouble) = (self.source.clone(), self.trouble.clone());
        Box::pin(async move {
            // The task is a little earlier and says why; but it may be gone or busy.
            let answer = match timeout_at(deadline, answered).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(Failure::Unknown {
                    cause: "the store was closed".into(),
                }),
                Err(_) => {
                    let known = trouble
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .cause();
                    let cause =
                        known.unwrap_or_else(|| no_answer(longest, &source.address()).into());
                    Err(Failure::Unknown { cause })
                }
            };
            // The one place where a failure leaves: whatever it is made of, it is fit to be shown.
            answer.map_err(|failure| told(failure, &source))
        })
    }

    fn listen(&self, channel: Arc<str>, receiver: Receiver) {
        let _ = self.orders.send(Order::Subscribe { channel, receiver });
    }
}

impl Store for RedisStore {
    fn send(&self, target: &Target, request: &Request) -> Answering<Reply> {
        let ttl = match &request.command {
            Command::Acquire { ttl, .. } | Command::Renew { ttl, .. } => Some(*ttl),
            Command::Release { .. } | Command::Inspect => None,
        };
        let keys = self.keys(target);
        let invocation = Invocation::of_election(target, &keys, &request.command);
        let (sender, answered) = oneshot::channel();
        let channel = keys.changes;
        let asker = Asker::Election { channel, sender };
        self.ask(invocation, ttl, Wait::of(request.bound), asker, answered)
    }

    fn subscribe(&self, target: &Target) -> mpsc::UnboundedReceiver<Message> {
        let (sender, messages) = mpsc::unbounded_channel();
        self.listen(self.keys(target).changes, Receiver::Changes(sender));
        messages
    }
}

impl RunStore for RedisStore {
    fn send_run(&self, resource: &str, request: &RunRequest) -> Answering<RunOutcome> {
        let ttl = match &request.command {
            RunCommand::Acquire { ttl, .. } | RunCommand::Renew { ttl, .. } => Some(*ttl),
            RunCommand::Begin { .. } | RunCommand::Release { .. } | RunCommand::Withdraw { .. } => {
                None
            }
        };
        let keys = RunKeys::new(self.place(), resource);
        let invocation = run::invocation(keys, &request.command);
        let (sender, answered) = oneshot::channel();
        let command = request.command.clone();
        let asker = Asker::Run {
            command,
            waited: Duration::ZERO,
            sender,
        };
        let wait = Wait {
            to_be_sent: request.to_be_sent(),
            bound: request.bound,
            longest: request.patience,
        };
        self.ask(invocation, ttl, wait, asker, answered)
    }

    fn subscribe_releases(&self, resource: &str) -> mpsc::UnboundedReceiver<Duration> {
        let (sender, releases) = mpsc::unbounded_channel();
        let channel = RunKeys::new(self.place(), resource).releases();
        self.listen(channel.to_string().into(), Receiver::Releases(sender));
        releases
    }
}

impl FenceStore for RedisStore {
    fn fence(&self, request: FenceRequest) -> Answering<FenceOutcome> {
        self.commands.send(request)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
