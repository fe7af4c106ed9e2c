use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::ask::{Ask, Asked, AskedElection, AskedRun};
use super::commands::Commands;
use super::connecting::Connecting;
use super::credentials::PresentSource;
use super::engine::{Engine, Order};
use super::error::no_answer;
use super::jitter::random;
use super::keys::{Keys, RunKeys};
use super::look::Looks;
use super::metrics::ConnectionMetrics;
use super::one_answer::OneAnswer;
use super::patience::ttl_of_bound;
use super::route::Route;
use super::subscriptions::Receiver;
use super::trouble::Trouble;
use super::waiting_times::WaitingTimes;
use super::words::told;
use super::{
    Answering, Answers, CredentialStore, ElectionLook, FenceOutcome, FenceRequest, FenceStore,
    ListLook, LookStore, ReadAgain, Reader, RedisSource, RunAnswers, RunStore, Store, Target,
};
use crate::election::run::{RunCommand, RunRequest};
use crate::election::{Command, Failure, Message, Reply, Request};

/// One Redis server, over one connection of its own, and another one for the commands of callers.
///
/// The connection is opened with the first use, closed when nobody has used it for 10 to 20 seconds, and
/// opened again with the next use. It is closed too once the store was dropped and every command
/// that was sent before has been answered or has come to its bound.
pub struct RedisStore {
    /// As it was given.
    source: Arc<RedisSource>,
    present: Arc<PresentSource>,
    commands: Commands,
    looks: Looks,
    trouble: Arc<Mutex<Trouble>>,
    metrics: Arc<ConnectionMetrics>,
    orders: mpsc::UnboundedSender<Order>,
}

impl RedisStore {
    /// Starts the task of the connection on `runtime`; it connects when it is first used.
    pub fn open(source: RedisSource, runtime: &Handle) -> Self {
        let source = Arc::new(source);
        let present = Arc::new(PresentSource::new(source.clone()));
        let trouble: Arc<Mutex<Trouble>> = Arc::default();
        let (orders, received) = mpsc::unbounded_channel();
        let route = Route::new(source.clone(), present.clone());
        let metrics = Arc::<ConnectionMetrics>::default();
        let connecting = Connecting::new(present.clone(), route.clone(), trouble.clone(), random());
        runtime.spawn(Engine::new(connecting, metrics.clone(), received).run());
        RedisStore {
            commands: Commands::new(present.clone(), route.clone()),
            looks: Looks::new(source.clone(), route),
            source,
            present,
            trouble,
            metrics,
            orders,
        }
    }

    pub fn source(&self) -> &RedisSource {
        &self.source
    }

    /// What was counted of its connection: whether it is open, how often it was opened, lost and not opened, the
    /// messages that came, how many commands wait to be sent, and how many came to their end unsent.
    pub fn metrics(&self) -> [u64; 7] {
        self.metrics.read()
    }

    /// Asks. The ttl of what it is about bounds connecting.
    fn order(&self, what: Asked, ttl: Option<Duration>, times: WaitingTimes) {
        let ttl = ttl.unwrap_or_else(|| ttl_of_bound(times.bound));
        let order = Order::Ask(Box::new(Ask { what, ttl, times }));
        // Refused only when the runtime of the task has ended; what is dropped says so to its caller.
        let _ = self.orders.send(order);
    }

    fn listen(&self, channel: Arc<str>, receiver: Receiver) {
        let _ = self.orders.send(Order::Subscribe { channel, receiver });
    }
}

impl Store for RedisStore {
    fn ask(&self, target: &Target, campaign: u64, request: Request, answers: &Arc<dyn Answers>) {
        let ttl = match &request.command {
            Command::Acquire { ttl, .. } | Command::Renew { ttl, .. } => Some(*ttl),
            Command::Release { .. } | Command::Inspect | Command::AskToResign { .. } => None,
        };
        let times = WaitingTimes::of_election(&request, Instant::now());
        let (source, target, answers) = (self.source.clone(), target.clone(), answers.clone());
        let asked = AskedElection::new(source, target, campaign, request, answers);
        self.order(Asked::Election(asked), ttl, times);
    }

    fn send(&self, target: &Target, request: &Request) -> Answering<Reply> {
        let (answers, answering) = OneAnswer::awaited();
        self.ask(target, 0, request.clone(), &answers);
        let (bound, longest) = (request.bound, request.patience);
        let deadline = Instant::now() + longest;
        let (source, trouble) = (self.source.clone(), self.trouble.clone());
        Box::pin(async move {
            // The task is a little earlier and says why; but it may be gone or busy.
            timeout_at(deadline, answering).await.unwrap_or_else(|_| {
                let known = trouble.lock().unwrap_or_else(PoisonError::into_inner);
                let cause = known.cause();
                let cause = cause.unwrap_or_else(|| no_answer(bound, &source.address()).into());
                Err(told(Failure::Unknown { cause }, &source))
            })
        })
    }

    fn subscribe(&self, target: &Target) -> mpsc::UnboundedReceiver<Message> {
        let (sender, messages) = mpsc::unbounded_channel();
        let channel = Keys::new(self.source.place(), &target.name).changes();
        self.listen(channel.to_string().into(), Receiver::Changes(sender));
        messages
    }
}

impl RunStore for RedisStore {
    fn send_run(
        &self,
        resource: &Arc<str>,
        run: u64,
        request: RunRequest,
        answers: &Arc<dyn RunAnswers>,
    ) {
        let ttl = match &request.command {
            RunCommand::Acquire { ttl, .. } | RunCommand::Renew { ttl, .. } => Some(*ttl),
            RunCommand::Begin { .. } | RunCommand::Release { .. } | RunCommand::Withdraw { .. } => {
                None
            }
        };
        let times = WaitingTimes::of_run(&request, Instant::now());
        let (source, resource, answers) = (self.source.clone(), resource.clone(), answers.clone());
        let asked = AskedRun::new(source, resource, run, request, answers);
        self.order(Asked::Run(asked), ttl, times);
    }

    fn subscribe_releases(&self, resource: &str) -> mpsc::UnboundedReceiver<Duration> {
        let (sender, releases) = mpsc::unbounded_channel();
        let channel = RunKeys::new(self.source.place(), resource).releases();
        self.listen(channel.to_string().into(), Receiver::Releases(sender));
        releases
    }
}

impl FenceStore for RedisStore {
    fn fence(&self, request: FenceRequest) -> Answering<FenceOutcome> {
        self.commands.send(request)
    }
}

impl LookStore for RedisStore {
    fn look(&self, name: &str, within: Option<Duration>) -> Answering<ElectionLook> {
        self.looks.election(name, within)
    }

    fn list(&self, cursor: u64, within: Option<Duration>) -> Answering<ListLook> {
        self.looks.list(cursor, within)
    }
}

impl CredentialStore for RedisStore {
    fn on_refusal(&self, reader: Reader, read_again: ReadAgain) {
        self.present.add_reader(reader, read_again);
    }

    fn use_credentials(&self, username: Option<String>, password: Option<String>) {
        if self.present.renew(username, password) {
            let _ = self.orders.send(Order::LogInAgain);
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
