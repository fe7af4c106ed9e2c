use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use redis::RedisError;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use super::RedisSource;
use super::ask::Ask;
use super::backoff::Backoff;
use super::connection::{Connection, Unopened};
use super::credentials::PresentSource;
use super::error::{
    Verdict, classify, denies_command, is_busy, no_answer, no_connection, not_sent,
};
use super::metrics::ConnectionMetrics;
use super::opening::{CutShort, Opening};
use super::patience::{connect_bound, longest_pause};
use super::route::Route;
use super::script::Script;
use super::subscriptions::{Receiver, Subscriptions};
use super::trouble::Trouble;
use super::waiting_line::WaitingLine;
use super::wire::{ChannelChange, Heard, Said, Wire};
use super::words::told;
use crate::election::{Failure, Random};

/// What a store hands to the task of its connection.
#[derive(Debug)]
pub(super) enum Order {
    /// Boxed: it is handed on six times, and each move of all of it costs as much as the box.
    Ask(Box<Ask>),
    Subscribe {
        channel: Arc<str>,
        receiver: Receiver,
    },
    /// There are other credentials than those that were refused.
    LogInAgain,
}

/// Where the engine is with its connection.
enum ConnectionState {
    /// Nobody needs one.
    Unused,
    /// Until the next attempt.
    Pausing(Instant),
    Opening(Opening),
    Open(Box<Wire>),
}

/// What happens on the connection.
enum ConnectionEvent {
    PauseOver,
    Opened(Result<Result<Connection, Unopened>, CutShort>),
    Said(Said),
}

impl ConnectionState {
    /// The next thing that happens. Dropping the future loses nothing.
    async fn next(&mut self) -> ConnectionEvent {
        match self {
            ConnectionState::Unused => pending().await,
            ConnectionState::Pausing(until) => {
                sleep_until(*until).await;
                ConnectionEvent::PauseOver
            }
            ConnectionState::Opening(opening) => ConnectionEvent::Opened(opening.next().await),
            ConnectionState::Open(wire) => ConnectionEvent::Said(wire.next().await),
        }
    }
}

/// The task that owns a store's connection. It opens one with the first order, replaces it whenever
/// it is lost or in doubt, closes it when nobody has used it for a while, and ends once the store is
/// gone and every command answered.
pub(super) struct Engine {
    present: Arc<PresentSource>,
    /// With the credentials of the last attempt to connect.
    source: Arc<RedisSource>,
    route: Route,
    /// Why there is no connection, for callers too.
    trouble: Arc<Mutex<Trouble>>,
    metrics: Arc<ConnectionMetrics>,
    orders: mpsc::UnboundedReceiver<Order>,
    /// The store is gone.
    closed: bool,
    state: ConnectionState,
    /// What was not sent.
    line: WaitingLine<Box<Ask>>,
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
    warned_untold: bool,
}

impl Engine {
    pub fn new(
        present: Arc<PresentSource>,
        route: Route,
        trouble: Arc<Mutex<Trouble>>,
        metrics: Arc<ConnectionMetrics>,
        orders: mpsc::UnboundedReceiver<Order>,
        random: Random,
    ) -> Self {
        Engine {
            source: present.get(),
            present,
            route,
            trouble,
            metrics,
            orders,
            closed: false,
            state: ConnectionState::Unused,
            line: WaitingLine::default(),
            due: None,
            rest_at: None,
            used: false,
            subscriptions: Subscriptions::default(),
            backoff: Backoff::new(random),
            cut: None,
            refusal: None,
            warned_polling: false,
            warned_subscribing: false,
            warned_untold: false,
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
        tracing::error!(redis = %self.source, "the connection's task failed and is restarted");
        self.fail_all(&unknown("internal error"));
        self.lose(unknown("internal error"));
    }

    async fn serve(&mut self) {
        let mut alarm = pin!(sleep_until(Instant::now()));
        let mut set_at = None;
        while !self.is_over() {
            self.send();
            self.metrics.note_waiting(self.line.len());
            // One that rings for an ask which is answered by then is cheaper than one that is set
            // again for each.
            if self.due != set_at {
                set_at = self.due;
                alarm.as_mut().reset(set_at.unwrap_or_else(Instant::now));
            }
            tokio::select! {
                order = self.orders.recv(), if !self.closed => self.handle_orders(order),
                channel = self.subscriptions.departed() => self.subscriptions.prune(&channel),
                event = self.state.next() => self.handle_event(event),
                () = &mut alarm, if set_at.is_some() => {
                    // After a stall an answer may be here that nobody has looked at yet.
                    yield_now().await;
                    self.hear_all();
                    self.expire();
                    self.rest();
                    self.due = self.next_due();
                    set_at = None;
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.closed && self.asks().next().is_none()
    }

    /// All that wait for an answer.
    fn asks(&self) -> impl Iterator<Item = &Box<Ask>> {
        let wire = match &self.state {
            ConnectionState::Open(wire) => Some(wire),
            _ => None,
        };
        let sent = wire.into_iter().flat_map(|wire| wire.asks());
        sent.chain(self.line.iter())
    }

    fn is_open(&self) -> bool {
        matches!(self.state, ConnectionState::Open(_))
    }

    fn next_due(&self) -> Option<Instant> {
        let on_wire = match &self.state {
            ConnectionState::Open(wire) => wire.next_due(),
            _ => None,
        };
        let due = [on_wire, self.line.next_due(self.is_open()), self.rest_at];
        let due = due.into_iter().flatten().min();
        // Those that end one after the other are looked for together.
        due.map(|due| due.max(Instant::now() + LEAST_PAUSE))
    }

    fn ring_at(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Sends what waits, as far as the server keeps up.
    fn send(&mut self) {
        let ConnectionState::Open(wire) = &mut self.state else {
            return;
        };
        let now = Instant::now();
        if wire.pushing {
            wire.change(
                ChannelChange::Unsubscribe,
                &self.subscriptions.take_ended(),
                now,
            );
            // Before a caller that subscribed asks: a message in between must not be missed.
            wire.change(
                ChannelChange::Subscribe,
                &self.subscriptions.take_fresh(),
                now,
            );
        }
        while let Some(ask) = wire.admit(&mut self.line, now) {
            if !send_in_time(wire, ask, now, &self.source) {
                self.metrics.note_not_sent();
            }
        }
        if wire.pushing && !self.line.has_pressing() {
            wire.change(
                ChannelChange::Subscribe,
                &self.subscriptions.take_again(),
                now,
            );
        }
    }

    fn handle_orders(&mut self, order: Option<Order>) {
        self.closed = order.is_none();
        let mut order = order;
        while let Some(next) = order {
            self.handle_order(next);
            order = self.orders.try_recv().ok();
        }
    }

    fn handle_order(&mut self, order: Order) {
        let opens = !matches!(order, Order::LogInAgain);
        if opens && matches!(self.state, ConnectionState::Unused) {
            self.pause();
        }
        match order {
            Order::LogInAgain => {
                if matches!(self.state, ConnectionState::Pausing(_)) {
                    self.open();
                }
            }
            Order::Subscribe { channel, receiver } => self.subscriptions.add(channel, receiver),
            Order::Ask(ask) => match (&self.state, &self.refusal) {
                // The server has just answered: no use to let the caller wait.
                (ConnectionState::Pausing(_), Some(failure)) => ask.fail(failure.clone()),
                _ => self.add(ask),
            },
        }
    }

    fn add(&mut self, ask: Box<Ask>) {
        let timeout = self.source.connect_timeout;
        match &mut self.state {
            ConnectionState::Open(_) => self.used = true,
            ConnectionState::Opening(opening) => {
                opening.hurry(connect_bound([ask.ttl].into_iter(), None, timeout));
            }
            ConnectionState::Pausing(until) => {
                let pause = self.backoff.jittered(longest_pause([ask.ttl].into_iter()));
                *until = (*until).min(Instant::now() + pause);
            }
            ConnectionState::Unused => {}
        }
        self.ring_at(ask.times.sent_by(false));
        self.line.push(ask);
    }

    fn handle_event(&mut self, event: ConnectionEvent) {
        match event {
            ConnectionEvent::PauseOver => self.open(),
            ConnectionEvent::Opened(Ok(Ok(connection))) => self.handle_opened(connection),
            ConnectionEvent::Opened(Ok(Err(Unopened::Failed(failure)))) => {
                let failure = told(failure, &self.source);
                self.trouble().note(Instant::now(), &failure);
                self.cut = None;
                if matches!(failure, Failure::Denied { .. }) {
                    self.present.refused();
                }
                self.fail_to_open(failure);
            }
            ConnectionEvent::Opened(Ok(Err(Unopened::BrokenOff(failure)))) => {
                self.cut = None;
                self.break_off(failure);
            }
            ConnectionEvent::Opened(Err(CutShort { allowed, progress })) => {
                self.cut = Some(allowed);
                let cause = progress.cause(allowed, &self.source.address());
                self.break_off(Failure::Unknown { cause });
            }
            ConnectionEvent::Said(said) => {
                self.hear(said, Instant::now());
                self.hear_all();
                // Only here: at other times answers may lie unread, and it is not the server that is late.
                if let ConnectionState::Open(wire) = &mut self.state {
                    wire.settle(Instant::now());
                }
            }
        }
    }

    fn break_off(&mut self, failure: Failure) {
        let failure = told(failure, &self.source);
        self.trouble().note_cut(Instant::now(), &failure);
        self.fail_to_open(failure);
    }

    fn fail_to_open(&mut self, failure: Failure) {
        tracing::debug!(redis = %self.source, cause = %failure.cause(), "not connected");
        self.metrics.note_not_opened();
        if is_answer(&failure) {
            self.fail_all(&failure);
        }
        self.reconnect(failure);
    }

    fn handle_opened(&mut self, connection: Connection) {
        tracing::debug!(redis = %self.source, "connected");
        self.metrics.note_opened();
        self.present.accepted();
        self.trouble().end();
        self.refusal = None;
        self.cut = None;
        self.used = false;
        let rest_at = Instant::now() + REST;
        self.rest_at = Some(rest_at);
        self.ring_at(rest_at);
        if !connection.pushing && !self.warned_polling {
            self.warned_polling = true;
            tracing::warn!(redis = %self.source, "RESP3 is refused: polling instead of messages");
        }
        let pushing = connection.pushing;
        match connection.into_socket() {
            Some(socket) => {
                self.subscriptions.begin();
                self.state = ConnectionState::Open(Box::new(Wire::new(socket, pushing)));
            }
            None => self.lose(unknown("connection closed")),
        }
    }

    /// Hears what is already here, without waiting.
    fn hear_all(&mut self) {
        let now = Instant::now();
        while let ConnectionState::Open(wire) = &mut self.state
            && let Some(said) = wire.ready()
        {
            self.hear(said, now);
        }
    }

    fn hear(&mut self, said: Said, now: Instant) {
        let ConnectionState::Open(wire) = &mut self.state else {
            return;
        };
        let heard = wire.hear(said, now);
        for (ask, failure) in wire.take_overtaken() {
            ask.fail(failure);
        }
        match heard {
            Heard::Answered(ask, Ok(value)) => {
                self.subscriptions.resume();
                let subscribed = |channel: &str| self.subscriptions.is_confirmed(channel);
                let answered = ask.answer(&value, subscribed);
                if answered.untold && !self.warned_untold {
                    self.warned_untold = true;
                    tracing::warn!(redis = %self.source, "failoverUnsafe: the server does not answer INFO in scripts, so a failover that loses writes can leave two primaries for a while");
                }
                match answered.odd {
                    Some(failure) => self.lose(failure),
                    None => self.backoff.reset(),
                }
            }
            Heard::Answered(ask, Err(error)) => {
                let verdict = of_script(&error, ask.script());
                ask.fail(verdict.failure.clone());
                match verdict.reconnect {
                    true => self.lose(verdict.failure),
                    false => self.backoff.reset(),
                }
            }
            Heard::Confirmed(ChannelChange::Subscribe, channels) => {
                self.subscriptions.confirm(channels);
            }
            Heard::Confirmed(ChannelChange::Unsubscribe, channels) => {
                self.subscriptions.confirm_end(&channels);
            }
            Heard::Refused(change, channels, error) => {
                self.handle_refused(change, channels, &error)
            }
            Heard::Message(push) => {
                self.metrics.note_message();
                self.subscriptions.deliver(&push);
            }
            Heard::Nothing => {}
            Heard::End(error) => {
                let closed = error.is_connection_dropped() || error.is_io_error();
                self.lose(match closed {
                    true => unknown("connection closed"),
                    false => classify(&error).failure,
                });
            }
        }
    }

    fn handle_refused(
        &mut self,
        change: ChannelChange,
        channels: Vec<Arc<str>>,
        error: &RedisError,
    ) {
        // That passes: it is asked again when a command has been answered.
        if is_busy(error) && change == ChannelChange::Subscribe {
            return self.subscriptions.postpone(channels);
        }
        let verdict = classify(error);
        if verdict.reconnect {
            return self.lose(verdict.failure);
        }
        if channels.len() > 1
            && let ConnectionState::Open(wire) = &mut self.state
        {
            // It may be about one of them.
            for channel in channels {
                wire.change(change, &[channel], Instant::now());
            }
        } else if !self.warned_subscribing {
            self.warned_subscribing = true;
            let failure = told(verdict.failure, &self.source);
            let cause = failure.cause();
            tracing::warn!(redis = %self.source, %cause, "subscribing is refused: polling instead of messages");
        }
    }

    /// Answers the commands whose time is over, and gives up a connection on which nothing is answered
    /// for so long.
    fn expire(&mut self) {
        let now = Instant::now();
        let address = self.source.address();
        if let ConnectionState::Open(wire) = &mut self.state {
            for ask in wire.take_late(now) {
                let cause = no_answer(ask.times.bound, &address).into();
                ask.fail(Failure::Unknown { cause });
            }
            if let Some(doubt) = wire.doubt().filter(|doubt| doubt.at <= now) {
                let cause = no_answer(doubt.bound, &address).into();
                self.lose(Failure::Unknown { cause });
            }
        }
        let is_open = self.is_open();
        while let Some(ask) = self.line.pop_late(now, is_open) {
            self.metrics.note_not_sent();
            let failure = match self.trouble().cause() {
                Some(cause) => Failure::Unknown { cause },
                None if is_open => not_sent(ask.times.to_be_sent, &address),
                None => Failure::Unknown {
                    cause: match &self.state {
                        ConnectionState::Opening(opening) => {
                            opening.cause(ask.times.to_be_sent, &address)
                        }
                        _ => no_connection(ask.times.to_be_sent, &address),
                    },
                },
            };
            ask.fail(failure);
        }
    }

    /// Closes a connection that nobody has used since the last look.
    fn rest(&mut self) {
        let now = Instant::now();
        if self.rest_at.is_none_or(|at| at > now) {
            return;
        }
        let needed = self.asks().next().is_some() || !self.subscriptions.is_empty();
        self.rest_at = match &self.state {
            ConnectionState::Open(_) if needed || std::mem::take(&mut self.used) => {
                Some(now + REST)
            }
            ConnectionState::Open(_) => {
                tracing::debug!(redis = %self.source, "at rest: disconnected");
                self.metrics.note_closed();
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
        self.metrics.note_lost();
        let longest_pause = longest_pause(self.asks().map(|ask| ask.ttl));
        self.trouble().note(Instant::now(), &failure);
        self.subscriptions.disconnect();
        if let ConnectionState::Open(wire) =
            std::mem::replace(&mut self.state, ConnectionState::Unused)
        {
            if wire.since.elapsed() > longest_pause {
                self.backoff.reset();
            }
            for ask in wire.into_asks() {
                let cause = cause.clone();
                ask.fail(Failure::Unknown { cause });
            }
        }
        self.reconnect(failure);
    }

    fn reconnect(&mut self, failure: Failure) {
        // Between two runs nobody needs a connection; the next order opens one.
        if self.line.is_empty() && self.subscriptions.is_empty() {
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
        self.source = self.present.get();
        let timeout = self.source.connect_timeout;
        let allowed = connect_bound(self.waiting(), self.cut, timeout);
        let opening = Opening::new(self.route.clone(), allowed, self.cut.is_some());
        self.state = ConnectionState::Opening(opening);
    }

    /// The ttls of those who wait for a connection.
    fn waiting(&self) -> impl Iterator<Item = Duration> {
        self.line.iter().map(|ask| ask.ttl)
    }

    fn longest_pause(&self) -> Duration {
        longest_pause(self.waiting())
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail_all(&mut self, failure: &Failure) {
        for ask in self.line.take_all() {
            ask.fail(failure.clone());
        }
    }
}

/// Sends it, unless nobody waits for it any more by now: then false.
fn send_in_time(wire: &mut Wire, ask: Box<Ask>, now: Instant, source: &RedisSource) -> bool {
    let in_time = ask.times.deadline() > now;
    if in_time {
        wire.ask(ask, now);
    } else {
        let failure = not_sent(ask.times.to_be_sent, &source.address());
        ask.fail(failure);
    }
    in_time
}

/// What the error of a script means, naming the command that was denied.
fn of_script(error: &RedisError, script: Option<&Script>) -> Verdict {
    let mut verdict = classify(error);
    if let Failure::Denied { cause } = &verdict.failure
        && denies_command(cause)
        && let Some(script) = script
    {
        let command = script.refused_command(cause);
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
const LEAST_PAUSE: Duration = Duration::from_millis(2);
const PAUSE_AFTER_PANIC: Duration = Duration::from_millis(50);

/// The server said so, whereas an unknown outcome may pass with the next attempt.
fn is_answer(failure: &Failure) -> bool {
    !matches!(failure, Failure::Unknown { .. })
}
