use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use redis::{RedisError, Value};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use super::RedisSource;
use super::backoff::Backoff;
use super::connection::Connection;
use super::error::{classify, is_busy, no_answer};
use super::link::{Done, Link, LinkEvent, Open};
use super::script::Invocation;
use super::subscriptions::{Receiver, Subscriptions};
use crate::election::{DEFAULT_TTL, Failure, Random};

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
    pub bound: Duration,
    /// When it is answered at the latest.
    pub deadline: Instant,
    pub answer: Answer,
}

/// Takes what the server answered, and whether this connection itself hears the messages of the
/// ask's channel. Hands back the failure where that was not an answer at all.
pub(super) type Answer = Box<dyn FnOnce(Result<(Value, bool), Failure>) -> Option<Failure> + Send>;

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("invocation", &self.invocation)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// The task that owns a store's connection. It opens one with the first order, replaces it
/// whenever it is lost or in doubt, and ends once the store is gone and every command answered.
pub(super) struct Supervisor {
    source: Arc<RedisSource>,
    /// The smallest ttl of the store's elections, in milliseconds; `u64::MAX` for none yet.
    smallest_ttl: Arc<AtomicU64>,
    orders: mpsc::UnboundedReceiver<Order>,
    /// The store is gone.
    closed: bool,
    link: Link,
    /// Unanswered, in the order of the calls. While the link is not open none of them was sent.
    asks: BTreeMap<u64, Ask>,
    last_number: u64,
    /// No ask comes to its deadline before this.
    due: Option<Instant>,
    subscriptions: Subscriptions,
    backoff: Backoff,
    /// Why there is no connection.
    down: Option<Failure>,
    warned_polling: bool,
    warned_subscribing: bool,
}

impl Supervisor {
    pub fn new(
        source: Arc<RedisSource>,
        smallest_ttl: Arc<AtomicU64>,
        orders: mpsc::UnboundedReceiver<Order>,
        random: Random,
    ) -> Self {
        Supervisor {
            source,
            smallest_ttl,
            orders,
            closed: false,
            link: Link::Unused,
            asks: BTreeMap::new(),
            last_number: 0,
            due: None,
            subscriptions: Subscriptions::default(),
            backoff: Backoff::new(random),
            down: None,
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
        let cause = format!("internal error ({})", self.source.address()).into();
        self.lose(Failure::Unknown { cause });
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
                event = self.link.next() => self.handle_event(event),
                () = &mut alarm, if set_at.is_some() => {
                    // After a stall an answer may be here that nobody has looked at yet.
                    yield_now().await;
                    self.expire();
                    self.due = self.asks.values().map(|ask| ask.deadline).min();
                    set_at = None;
                }
            }
        }
    }

    fn handle_order(&mut self, order: Order) {
        if matches!(self.link, Link::Unused) {
            self.down = None;
            self.reconnect();
        }
        match order {
            Order::Subscribe { channel, receiver } => {
                let first = self.subscriptions.add(channel.clone(), receiver);
                if let Link::Open(open) = &mut self.link
                    && first
                    && open.pushing()
                {
                    open.subscribe(channel);
                }
            }
            Order::Ask(ask) => match (&mut self.link, &self.down) {
                // The server has just answered: no use to let the caller wait.
                (Link::Pausing(_), Some(failure)) if is_answer(failure) => {
                    (ask.answer)(Err(failure.clone()));
                }
                (link, _) => {
                    self.last_number += 1;
                    if let Link::Open(open) = link {
                        open.ask(self.last_number, ask.invocation.clone());
                    }
                    if self.due.is_none_or(|due| ask.deadline < due) {
                        self.due = Some(ask.deadline);
                    }
                    self.asks.insert(self.last_number, ask);
                }
            },
        }
    }

    fn handle_departure(&mut self, channel: Arc<str>) {
        if self.subscriptions.prune(&channel)
            && let Link::Open(open) = &mut self.link
            && open.pushing()
        {
            open.unsubscribe(channel);
        }
    }

    fn handle_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::PauseOver => self.open(),
            LinkEvent::Opened(Ok(connection)) => self.handle_opened(connection),
            LinkEvent::Opened(Err(failure)) => {
                let cause = failure.cause();
                tracing::debug!(redis = %self.source, %cause, "not connected");
                if is_answer(&failure) {
                    self.fail_all(&failure);
                }
                self.down = Some(failure);
                self.reconnect();
            }
            LinkEvent::Done(done) => self.handle_done(done),
            LinkEvent::Pushed(push) => self.subscriptions.deliver(&push),
            LinkEvent::Closed => {
                let cause = format!("connection closed ({})", self.source.address()).into();
                self.lose(Failure::Unknown { cause });
            }
        }
    }

    fn handle_opened(&mut self, connection: Connection) {
        tracing::debug!(redis = %self.source, "connected");
        self.down = None;
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
        self.link = Link::Open(Box::new(open));
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
                    let cause = verdict.failure.cause();
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
                let verdict = classify(&error);
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
            if let Link::Open(open) = &mut self.link {
                open.subscribe(channel);
            }
        }
    }

    /// Answers the commands whose time is over. One that was sent takes its connection with it:
    /// nothing that follows on it could be trusted to arrive.
    fn expire(&mut self) {
        while let Link::Open(open) = &mut self.link {
            match open.ready() {
                Some(done) => self.handle_done(done),
                None => break,
            }
        }
        let now = Instant::now();
        let address = self.source.address();
        let due = |ask: &Ask| ask.deadline <= now;
        if let Some(ask) = self.asks.values().find(|ask| due(ask))
            && matches!(self.link, Link::Open(_))
        {
            let cause = no_answer(ask.bound, &address);
            return self.lose(Failure::Unknown {
                cause: cause.into(),
            });
        }
        let (late, waiting) = std::mem::take(&mut self.asks)
            .into_iter()
            .partition(|(_, ask)| due(ask));
        self.asks = waiting;
        let late: BTreeMap<u64, Ask> = late;
        for ask in late.into_values() {
            let cause = match &self.down {
                Some(failure) => failure.cause().clone(),
                None => {
                    let bound = ask.bound.as_millis();
                    format!("no connection within {bound} ms ({address})").into()
                }
            };
            (ask.answer)(Err(Failure::Unknown { cause }));
        }
    }

    /// Drops the connection. What was sent over it may or may not have happened.
    fn lose(&mut self, failure: Failure) {
        let cause = failure.cause().clone();
        tracing::debug!(redis = %self.source, %cause, "connection dropped");
        if let Link::Open(open) = &self.link
            && open.since.elapsed() > self.longest_pause()
        {
            self.backoff.reset();
        }
        self.subscriptions.disconnect();
        self.fail_all(&Failure::Unknown { cause });
        self.down = Some(failure);
        self.reconnect();
    }

    fn reconnect(&mut self) {
        // Between two runs nobody needs a connection; the next order opens one.
        if self.asks.is_empty() && self.subscriptions.is_empty() && self.down.is_some() {
            self.link = Link::Unused;
            return;
        }
        let pause = self.backoff.next_pause(self.longest_pause());
        match pause.is_zero() {
            true => self.open(),
            false => self.link = Link::Pausing(Instant::now() + pause),
        }
    }

    fn open(&mut self) {
        let source = self.source.clone();
        let bound = self.connect_bound();
        self.link = Link::Opening(Box::pin(
            async move { Connection::open(&source, bound).await },
        ));
    }

    fn fail_all(&mut self, failure: &Failure) {
        for (_, ask) in std::mem::take(&mut self.asks) {
            (ask.answer)(Err(failure.clone()));
        }
    }

    fn connect_bound(&self) -> Duration {
        let smallest_ttl = Duration::from_millis(self.smallest_ttl.load(Ordering::Relaxed));
        (smallest_ttl / 8).min(self.source.connect_timeout)
    }

    fn longest_pause(&self) -> Duration {
        let smallest_ttl = Duration::from_millis(self.smallest_ttl.load(Ordering::Relaxed));
        smallest_ttl.min(DEFAULT_TTL) / 6
    }
}

const PAUSE_AFTER_PANIC: Duration = Duration::from_millis(50);

/// The server said so, whereas an unknown outcome may pass with the next attempt.
fn is_answer(failure: &Failure) -> bool {
    !matches!(failure, Failure::Unknown { .. })
}
