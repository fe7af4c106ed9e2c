use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use redis::{RedisError, Value};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use super::RedisSource;
use super::backoff::Backoff;
use super::connection::{Connection, Unopened};
use super::connection_state::{ConnectionEvent, ConnectionState, Done, Open, Opening};
use super::error::{Verdict, classify, denies_command, is_busy, no_answer, no_connection};
use super::patience::{connect_bound, longest_pause};
use super::script::Invocation;
use super::subscriptions::{Receiver, Subscriptions};
use super::trouble::Trouble;
use super::words::told;
use crate::election::{Failure, Random};

/// What a store hands to the task of its connection.
#[derive(Debug)]
pub(super) enum Order {
    Ask(Ask),
    Subscribe {
        channel: Arc<str>,
        receiver: Receiver,
    },
}

/// A command that waits for its answer.
pub(super) struct Ask {
    pub invocation: Arc<Invocation>,
    /// The changes channel of the same election, where there is one.
    pub channel: Option<Arc<str>>,
    /// Of the lease that it is about: what bounds connecting while it waits.
    pub ttl: Duration,
    pub bound: Duration,
    pub asked_at: Instant,
    /// When it is answered at the latest.
    pub deadline: Instant,
    pub answer: Taker,
}

/// Takes what the server answered, and whether this connection itself hears the messages of the
/// ask's channel. Hands back the failure where that was not an answer at all.
pub(super) type Taker = Box<dyn FnOnce(Result<(Value, bool), Failure>) -> Option<Failure> + Send>;

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("invocation", &self.invocation)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// The task that owns a store's connection. It opens one with the first order, replaces it whenever
/// it is lost or in doubt, closes it when nobody has used it for a while, and ends once the store is
/// gone and every command answered.
pub(super) struct Supervisor {
    source: Arc<RedisSource>,
    /// Why there is no connection, for callers too.
    trouble: Arc<Mutex<Trouble>>,
    orders: mpsc::UnboundedReceiver<Order>,
    /// The store is gone.
    closed: bool,
    state: ConnectionState,
    /// Unanswered, in the order of the calls. While the connection is not open none of them was sent.
    asks: BTreeMap<u64, Ask>,
    last_number: u64,
    /// No ask comes to its deadline before this, and the connection is not at rest before.
    due: Option<Instant>,
    /// When it is looked at whether anybody has used the connection since the last time.
    rest_at: Option<Instant>,
    used: bool,
    subscriptions: Subscriptions,
    backoff: Backoff,
    /// What the last attempt to connect was allowed, if it was cut short.
    cut: Option<Duration>,
    /// What the server has just answered, in the place of a connection.
    refusal: Option<Failure>,
    warned_polling: bool,
    warned_subscribing: bool,
}

impl Supervisor {
    pub fn new(
        source: Arc<RedisSource>,
        trouble: Arc<Mutex<Trouble>>,
        orders: mpsc::UnboundedReceiver<Order>,
        random: Random,
    ) -> Self {
        Supervisor {
            source,
            trouble,
            orders,
            closed: false,
            state: ConnectionState::Unused,
            asks: BTreeMap::new(),
            last_number: 0,
            due: None,
            rest_at: None,
            used: false,
            subscriptions: Subscriptions::default(),
            backoff: Backoff::new(random),
            cut: None,
            refusal: None,
            warned_polling: false,
            warned_subscribing: false,
        }
    }

    /// A panic in here costs the connection and the answers that were due, and no campaign: the
    /// subscriptions and whatever is ordered later go on over another connection.
    pub async fn run(mut self) {
        let mut broken = false;
        loop {
            let life = async {
                if broken {
                    self.begin_anew();
                }
                self.serve().await;
            };
            if AssertUnwindSafe(life).catch_unwind().await.is_ok() {
                return;
            }
            broken = true;
            // What breaks at once each time must not fill the log, or the thread.
            sleep(PAUSE_AFTER_PANIC).await;
        }
    }

    fn begin_anew(&mut self) {
        tracing::error!(redis = %self.source, "the connection's task broke and begins anew");
        self.lose(unknown("internal error"));
    }

    async fn serve(&mut self) {
        let mut alarm = pin!(sleep_until(Instant::now()));
        let mut set_at = None;
        while !(self.closed && self.asks.is_empty()) {
            // One that rings for an ask which is answered by then is cheaper than one that is set
            // anew for each.
            if self.due != set_at {
                set_at = self.due;
                alarm.as_mut().reset(set_at.unwrap_or_else(Instant::now));
            }
            tokio::select! {
                order = self.orders.recv(), if !self.closed => match order {
                    Some(order) => self.handle_order(order),
                    None => self.closed = true,
                },
                channel = self.subscriptions.departed() => self.handle_departure(channel),
                event = self.state.next() => self.handle_event(event),
                () = &mut alarm, if set_at.is_some() => {
                    // After a stall an answer may be here that nobody has looked at yet.
                    yield_now().await;
                    self.expire();
                    self.rest();
                    self.due = self.asks.values().map(|ask| ask.deadline).chain(self.rest_at).min();
                    set_at = None;
                }
            }
        }
    }

    fn handle_order(&mut self, order: Order) {
        if matches!(self.state, ConnectionState::Unused) {
            self.pause();
        }
        match order {
            Order::Subscribe { channel, receiver } => {
                let first = self.subscriptions.add(channel.clone(), receiver);
                if let ConnectionState::Open(open) = &mut self.state
                    && first
                    && open.pushing()
                {
                    open.subscribe(channel);
                }
            }
            Order::Ask(ask) => match (&mut self.state, &self.refusal) {
                // The server has just answered: no use to let the caller wait.
                (ConnectionState::Pausing(_), Some(failure)) => {
                    (ask.answer)(Err(failure.clone()));
                }
                _ => self.add(ask),
            },
        }
    }

    fn add(&mut self, ask: Ask) {
        self.last_number += 1;
        let timeout = self.source.connect_timeout;
        match &mut self.state {
            ConnectionState::Open(open) => {
                self.used = true;
                open.ask(self.last_number, ask.invocation.clone());
            }
            ConnectionState::Opening(opening) => {
                opening.hurry(connect_bound([ask.ttl].into_iter(), None, timeout));
            }
            ConnectionState::Pausing(until) => {
                let pause = self.backoff.jittered(longest_pause([ask.ttl].into_iter()));
                *until = (*until).min(Instant::now() + pause);
            }
            ConnectionState::Unused => {}
        }
        if self.due.is_none_or(|due| ask.deadline < due) {
            self.due = Some(ask.deadline);
        }
        self.asks.insert(self.last_number, ask);
    }

    fn handle_departure(&mut self, channel: Arc<str>) {
        if self.subscriptions.prune(&channel)
            && let ConnectionState::Open(open) = &mut self.state
            && open.pushing()
        {
            open.unsubscribe(channel);
        }
    }

    fn handle_event(&mut self, event: ConnectionEvent) {
        match event {
            ConnectionEvent::PauseOver => self.open(),
            ConnectionEvent::Opened(Ok(connection)) => self.handle_opened(connection),
            ConnectionEvent::Opened(Err(Unopened::Failed(failure))) => {
                let failure = told(failure, &self.source);
                self.trouble().note(Instant::now(), &failure);
                self.cut = None;
                self.fail_to_open(failure);
            }
            ConnectionEvent::Opened(Err(Unopened::BrokenOff(failure))) => {
                self.cut = None;
                self.break_off(failure);
            }
            ConnectionEvent::CutShort(allowed) => {
                self.cut = Some(allowed);
                let cause = no_connection(allowed, &self.source.address());
                self.break_off(Failure::Unknown { cause });
            }
            ConnectionEvent::Done(done) => self.handle_done(done),
            ConnectionEvent::Pushed(push) => self.subscriptions.deliver(&push),
            ConnectionEvent::Closed => self.lose(unknown("connection closed")),
        }
    }

    fn break_off(&mut self, failure: Failure) {
        let failure = told(failure, &self.source);
        self.trouble().note_cut(Instant::now(), &failure);
        self.fail_to_open(failure);
    }

    fn fail_to_open(&mut self, failure: Failure) {
        tracing::debug!(redis = %self.source, cause = %failure.cause(), "not connected");
        if is_answer(&failure) {
            self.fail_all(&failure);
        }
        self.reconnect(failure);
    }

    fn handle_opened(&mut self, connection: Connection) {
        tracing::debug!(redis = %self.source, "connected");
        self.trouble().end();
        self.refusal = None;
        self.cut = None;
        self.used = false;
        let rest_at = Instant::now() + REST;
        self.rest_at = Some(rest_at);
        self.due = Some(self.due.map_or(rest_at, |due| due.min(rest_at)));
        let mut open = Open::new(connection);
        if open.pushing() {
            for channel in self.subscriptions.channels() {
                open.subscribe(channel);
            }
        } else if !self.warned_polling {
            self.warned_polling = true;
            tracing::warn!(redis = %self.source, "RESP3 is refused: polling instead of messages");
        }
        for (number, ask) in &self.asks {
            open.ask(*number, ask.invocation.clone());
        }
        self.state = ConnectionState::Open(Box::new(open));
    }

    fn handle_done(&mut self, done: Done) {
        match done {
            Done::Asked(number, result) => self.handle_answer(number, result),
            Done::Subscribed(channel, Ok(_)) => self.subscriptions.confirm(channel),
            Done::Unsubscribed(channel, Ok(_)) => self.subscriptions.confirm_end(&channel),
            // That passes: it is asked again when a command has been answered.
            Done::Subscribed(channel, Err(error)) if is_busy(&error) => {
                self.subscriptions.postpone(channel);
            }
            Done::Subscribed(_, Err(error)) | Done::Unsubscribed(_, Err(error)) => {
                let verdict = classify(&error);
                if verdict.reconnect {
                    self.lose(verdict.failure);
                } else if !self.warned_subscribing {
                    self.warned_subscribing = true;
                    let failure = told(verdict.failure, &self.source);
                    let cause = failure.cause();
                    tracing::warn!(redis = %self.source, %cause, "subscribing is refused: polling instead of messages");
                }
            }
        }
    }

    fn handle_answer(&mut self, number: u64, result: Result<Value, RedisError>) {
        let Some(ask) = self.asks.remove(&number) else {
            return;
        };
        let lost = match result {
            Ok(value) => {
                self.subscribe_postponed();
                let channel = ask.channel.as_deref();
                let subscribed = channel.is_some_and(|c| self.subscriptions.is_confirmed(c));
                (ask.answer)(Ok((value, subscribed)))
            }
            Err(error) => {
                let verdict = of_script(&error, &ask.invocation);
                (ask.answer)(Err(verdict.failure.clone()));
                verdict.reconnect.then_some(verdict.failure)
            }
        };
        match lost {
            Some(failure) => self.lose(failure),
            None => self.backoff.reset(),
        }
    }

    fn subscribe_postponed(&mut self) {
        for channel in self.subscriptions.take_postponed() {
            if let ConnectionState::Open(open) = &mut self.state {
                open.subscribe(channel);
            }
        }
    }

    /// Answers the commands whose time is over. One that had all its time on the connection takes that
    /// with it: nothing that follows on it could be trusted to arrive.
    fn expire(&mut self) {
        while let ConnectionState::Open(open) = &mut self.state {
            match open.ready() {
                Some(done) => self.handle_done(done),
                None => break,
            }
        }
        let now = Instant::now();
        let due = |ask: &Ask| ask.deadline <= now;
        let open_since = match &self.state {
            ConnectionState::Open(open) => Some(open.since),
            _ => None,
        };
        // One that has waited for the connection for most of its time says nothing against it.
        let doubts = |ask: &&Ask| due(ask) && open_since.is_some_and(|since| since <= ask.asked_at);
        if let Some(ask) = self.asks.values().find(doubts) {
            let cause = no_answer(ask.bound, &self.source.address()).into();
            return self.lose(Failure::Unknown { cause });
        }
        let (late, waiting) = std::mem::take(&mut self.asks)
            .into_iter()
            .partition(|(_, ask)| due(ask));
        self.asks = waiting;
        let late: BTreeMap<u64, Ask> = late;
        for ask in late.into_values() {
            let address = self.source.address();
            let cause = match self.trouble().cause() {
                Some(cause) => cause,
                None if open_since.is_some() => no_answer(ask.bound, &address).into(),
                None => no_connection(ask.bound, &address),
            };
            (ask.answer)(Err(Failure::Unknown { cause }));
        }
    }

    /// Closes a connection that nobody has used since the last look.
    fn rest(&mut self) {
        let now = Instant::now();
        if self.rest_at.is_none_or(|at| at > now) {
            return;
        }
        let needed = !self.asks.is_empty() || !self.subscriptions.is_empty();
        self.rest_at = match &self.state {
            ConnectionState::Open(_) if needed || std::mem::take(&mut self.used) => {
                Some(now + REST)
            }
            ConnectionState::Open(_) => {
                tracing::debug!(redis = %self.source, "at rest: disconnected");
                self.subscriptions.disconnect();
                self.state = ConnectionState::Unused;
                None
            }
            _ => None,
        };
    }

    /// Drops the connection. What was sent over it may or may not have happened.
    fn lose(&mut self, failure: Failure) {
        let failure = told(failure, &self.source);
        let cause = failure.cause().clone();
        tracing::debug!(redis = %self.source, %cause, "connection dropped");
        if let ConnectionState::Open(open) = &self.state
            && open.since.elapsed() > self.longest_pause()
        {
            self.backoff.reset();
        }
        self.trouble().note(Instant::now(), &failure);
        self.subscriptions.disconnect();
        self.fail_all(&Failure::Unknown { cause });
        self.reconnect(failure);
    }

    fn reconnect(&mut self, failure: Failure) {
        // Between two runs nobody needs a connection; the next order opens one.
        if self.asks.is_empty() && self.subscriptions.is_empty() {
            self.refusal = None;
            self.state = ConnectionState::Unused;
            return;
        }
        self.refusal = Some(failure).filter(is_answer);
        self.pause();
    }

    fn pause(&mut self) {
        let pause = self.backoff.next_pause(self.longest_pause());
        match pause.is_zero() {
            true => self.open(),
            false => self.state = ConnectionState::Pausing(Instant::now() + pause),
        }
    }

    fn open(&mut self) {
        let timeout = self.source.connect_timeout;
        let allowed = connect_bound(self.waiting(), self.cut, timeout);
        let opening = Opening::new(self.source.clone(), allowed, self.cut.is_some());
        self.state = ConnectionState::Opening(opening);
    }

    /// The ttls of those who wait for a connection.
    fn waiting(&self) -> impl Iterator<Item = Duration> {
        self.asks.values().map(|ask| ask.ttl)
    }

    fn longest_pause(&self) -> Duration {
        longest_pause(self.waiting())
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail_all(&mut self, failure: &Failure) {
        for (_, ask) in std::mem::take(&mut self.asks) {
            (ask.answer)(Err(failure.clone()));
        }
    }
}

/// What the error of a script means, naming the command that was denied.
fn of_script(error: &RedisError, invocation: &Invocation) -> Verdict {
    let mut verdict = classify(error);
    if let Failure::Denied { cause } = &verdict.failure
        && denies_command(cause)
    {
        let command = invocation.script.refused_command(cause);
        let cause = format!("{command} is refused: {cause}").into();
        verdict.failure = Failure::Denied { cause };
    }
    verdict
}

fn unknown(cause: &str) -> Failure {
    Failure::Unknown {
        cause: cause.into(),
    }
}

/// A connection that nobody uses is closed after this, at the latest after twice as long.
const REST: Duration = Duration::from_secs(10);
const PAUSE_AFTER_PANIC: Duration = Duration::from_millis(50);

/// The server said so, whereas an unknown outcome may pass with the next attempt.
fn is_answer(failure: &Failure) -> bool {
    !matches!(failure, Failure::Unknown { .. })
}
