use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Register, ScopedRegister, Server};
use crate::election::scoped::{ScopedCommand, ScopedOutcome, ScopedRequest};
use crate::election::{Command, Failure, Message, Reply, Request, Token};
use crate::store::{
    Answer, Answering, FenceOutcome, FenceRequest, FenceStore, ScopedStore, Store, Target,
};

/// `memory://name`: elections within one process, for tests.
///
/// One per process and name, answering at once. A missing record is taken at once: nobody outside
/// this process can hold it.
pub struct MemoryStore {
    name: String,
    server: Server,
    wall_micros: fn() -> u64,
    elections: Mutex<HashMap<Arc<str>, Contest>>,
    resources: Mutex<HashMap<Arc<str>, Resource>>,
    fences: Mutex<HashMap<Arc<str>, HighestTokens>>,
}

/// What a resource has seen, by the name of the lease.
type HighestTokens = HashMap<Arc<str>, Token>;

#[derive(Default)]
struct Resource {
    register: ScopedRegister,
    waiting: Vec<mpsc::UnboundedSender<Duration>>,
}

#[derive(Default)]
struct Contest {
    register: Register,
    subscribers: Vec<mpsc::UnboundedSender<Message>>,
}

impl MemoryStore {
    /// The store of this name; the first call makes it. Its clock, in microseconds since 1970, is what
    /// tokens are minted from.
    pub fn named(name: &str, wall_micros: fn() -> u64) -> Arc<MemoryStore> {
        let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(name) {
            return store.clone();
        }
        let store = Arc::new(MemoryStore::new(name, wall_micros));
        stores.insert(name.to_owned(), store.clone());
        store
    }

    fn new(name: &str, wall_micros: fn() -> u64) -> Self {
        let mut server = Server::new("memory", "memory");
        server.uptime = Duration::MAX;
        MemoryStore {
            name: name.to_owned(),
            server,
            wall_micros,
            elections: Mutex::default(),
            resources: Mutex::default(),
            fences: Mutex::default(),
        }
    }

    fn apply(&self, target: &Target, command: &Command) -> Result<Reply, Failure> {
        let mut elections = self.elections();
        let contest = elections.entry(target.name.clone()).or_default();
        let mut server = self.server.clone();
        server.wall_micros = (self.wall_micros)();
        let command = eagerly(command);
        let applied = contest.register.apply(&server, &target.server, &command)?;
        let mut reply = applied.reply;
        if let Some(message) = applied.message {
            contest
                .subscribers
                .retain(|subscriber| subscriber.send(message.clone()).is_ok());
            // The caller listens too, and is not one of the others.
            let others = contest.subscribers.len().saturating_sub(1);
            reply.listeners = Some(u32::try_from(others).unwrap_or(u32::MAX));
        }
        Ok(reply)
    }

    fn elections(&self) -> MutexGuard<'_, HashMap<Arc<str>, Contest>> {
        lock(&self.elections)
    }

    fn see(&self, request: &FenceRequest) -> FenceOutcome {
        let mut fences = lock(&self.fences);
        let fence = fences.entry(request.resource.clone()).or_default();
        let highest = fence.entry(request.lease.clone()).or_insert(Token::NONE);
        if *highest > request.token {
            return FenceOutcome::Stale { highest: *highest };
        }
        *highest = request.token;
        FenceOutcome::Passed(Answer::Nothing)
    }

    fn apply_scoped(&self, resource: &str, command: &ScopedCommand) -> ScopedOutcome {
        let mut resources = lock(&self.resources);
        let resource = resources.entry(resource.into()).or_default();
        let applied = resource.register.apply((self.wall_micros)(), command);
        if let Some(delay) = applied.released {
            resource
                .waiting
                .retain(|waiting| waiting.send(delay).is_ok());
        }
        applied.outcome
    }
}

impl Store for MemoryStore {
    fn send(&self, target: &Target, request: &Request) -> Answering<Reply> {
        Box::pin(std::future::ready(self.apply(target, &request.command)))
    }

    fn subscribe(&self, target: &Target) -> mpsc::UnboundedReceiver<Message> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut elections = self.elections();
        let contest = elections.entry(target.name.clone()).or_default();
        contest.subscribers.push(sender);
        receiver
    }
}

impl ScopedStore for MemoryStore {
    fn send_scoped(&self, resource: &str, request: &ScopedRequest) -> Answering<ScopedOutcome> {
        let outcome = self.apply_scoped(resource, &request.command);
        Box::pin(std::future::ready(Ok(outcome)))
    }

    fn subscribe_releases(&self, resource: &str) -> mpsc::UnboundedReceiver<Duration> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut resources = lock(&self.resources);
        let resource = resources.entry(resource.into()).or_default();
        resource.waiting.push(sender);
        receiver
    }
}

impl FenceStore for MemoryStore {
    fn fence(&self, request: FenceRequest) -> Answering<FenceOutcome> {
        let outcome = match &request.command {
            Some(_) => FenceOutcome::Unfit {
                why: format!("memory://{} has no commands", self.name).into(),
            },
            None => self.see(&request),
        };
        Box::pin(std::future::ready(Ok(outcome)))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore(memory://{})", self.name)
    }
}

static STORES: LazyLock<Mutex<HashMap<String, Arc<MemoryStore>>>> = LazyLock::new(Mutex::default);

/// A panic elsewhere leaves plain data that is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every acquire is an eager start here, whatever the configuration says.
fn eagerly(command: &Command) -> Command {
    let mut command = command.clone();
    if let Command::Acquire { eager, .. } = &mut command {
        *eager = Some(Duration::ZERO);
    }
    command
}
