use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::error::no_answer;
use super::keys::Keys;
use super::script::Invocation;
use super::supervisor::{Ask, Order, Supervisor};
use super::{Answering, RedisSource, Store, Target};
use crate::election::{Command, Failure, Message, Random, Request};

/// One Redis server, over one connection of its own.
///
/// The connection is opened with the first use and closed once the store was dropped and every
/// command that was sent before has been answered or has come to its bound.
pub struct RedisStore {
    source: Arc<RedisSource>,
    smallest_ttl: Arc<AtomicU64>,
    orders: mpsc::UnboundedSender<Order>,
}

impl RedisStore {
    /// Starts the task of the connection on `runtime`; it connects when it is first used.
    pub fn open(source: RedisSource, runtime: &Handle) -> Self {
        let source = Arc::new(source);
        let smallest_ttl = Arc::new(AtomicU64::new(u64::MAX));
        let (orders, received) = mpsc::unbounded_channel();
        let supervisor = Supervisor::new(source.clone(), smallest_ttl.clone(), received, random());
        runtime.spawn(supervisor.run());
        RedisStore {
            source,
            smallest_ttl,
            orders,
        }
    }

    pub fn source(&self) -> &RedisSource {
        &self.source
    }

    /// An election with this ttl uses the store. The smallest bounds connecting (an eighth of it)
    /// and the pauses between the attempts (a sixth). Commands that carry a ttl do the same.
    pub fn note_ttl(&self, ttl: Duration) {
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        self.smallest_ttl.fetch_min(millis, Ordering::Relaxed);
    }

    fn keys(&self, target: &Target) -> Keys {
        Keys::new(&self.source.key_prefix, &target.name)
    }
}

impl Store for RedisStore {
    fn send(&self, target: &Target, request: &Request) -> Answering {
        if let Command::Acquire { ttl, .. } | Command::Renew { ttl, .. } = &request.command {
            self.note_ttl(*ttl);
        }
        let keys = self.keys(target);
        let deadline = Instant::now() + request.bound;
        let (answer, answered) = oneshot::channel();
        let order = Order::Ask(Ask {
            invocation: Arc::new(Invocation::new(target, keys.record, &request.command)),
            channel: keys.changes,
            bound: request.bound,
            deadline: deadline - MARGIN.min(request.bound / 10),
            answer,
        });
        // Refused only when the runtime of the task has ended; then nobody answers either.
        let _ = self.orders.send(order);
        let bound = request.bound;
        let address = self.source.address();
        Box::pin(async move {
            let unknown = |cause: String| {
                Err(Failure::Unknown {
                    cause: cause.into(),
                })
            };
            // The task is a little earlier and says why; but it may be gone or busy.
            match timeout_at(deadline, answered).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => unknown("the store was closed".into()),
                Err(_) => unknown(no_answer(bound, &address)),
            }
        })
    }

    fn subscribe(&self, target: &Target) -> mpsc::UnboundedReceiver<Message> {
        let (receiver, messages) = mpsc::unbounded_channel();
        let channel = self.keys(target).changes;
        let _ = self.orders.send(Order::Subscribe { channel, receiver });
        messages
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// How much earlier than the caller the connection's task gives up: it knows the cause.
const MARGIN: Duration = Duration::from_millis(5);

/// Only for jitter: without the system's randomness the hasher's, seeded once, does.
fn random() -> Random {
    use std::hash::{BuildHasher, RandomState};
    let mut seed = [0; 16];
    match getrandom::fill(&mut seed) {
        Ok(()) => Random::from_seed(u128::from_le_bytes(seed)),
        Err(_) => Random::from_seed(u128::from(RandomState::new().hash_one(seed))),
    }
}
