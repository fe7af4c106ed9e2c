use std::mem::{replace, take};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use super::RedisSource;
use super::ask::Ask;
use super::connecting::{Connecting, is_answer};
use super::connection::Connection;
use super::connection_state::{ConnectionEvent, ConnectionState};
use super::error::{no_answer, no_connection, not_sent};
use super::metrics::ConnectionMetrics;
use super::patience::longest_pause;
use super::subscriptions::{Receiver, Subscriptions};
use super::waiting_line::WaitingLine;
use super::wire::{ChannelChange, Wire};
use crate::election::Failure;

mod hearing;

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

/// The task that owns a store's connection. It opens one with the first order, replaces it whenever
/// it is lost or in doubt, closes it when nobody has used it for a while, and ends once the store is
/// gone and every command answered.
pub(super) struct Engine {
    connecting: Connecting,
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
    warned: Warned,
}

/// What is said of a server once.
#[derive(Default)]
struct Warned {
    polling: bool,
    subscribing: bool,
    untold: bool,
}

impl Engine {
    pub fn new(
        connecting: Connecting,
        metrics: Arc<ConnectionMetrics>,
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> Self {
        Engine {
            connecting,
            metrics,
            orders,
            closed: false,
            state: ConnectionState::Unused,
            line: WaitingLine::default(),
            due: None,
            rest_at: None,
            used: false,
            subscriptions: Subscriptions::default(),
            warned: Warned::default(),
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
        tracing::error!(redis = %self.connecting.source(), "the connection's task failed and is restarted");
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
        let sent = self.state.wire().into_iter().flat_map(Wire::asks);
        sent.chain(self.line.iter())
    }

    fn next_due(&self) -> Option<Instant> {
        let on_wire = self.state.wire().and_then(Wire::next_due);
        let is_open = self.state.wire().is_some();
        let due = [on_wire, self.line.next_due(is_open), self.rest_at];
        let due = due.into_iter().flatten().min();
        // Those that end one after the other are looked for together.
        due.map(|due| due.max(Instant::now() + LEAST_PAUSE))
    }

    fn ring_at(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Sends what waits, as far as the server keeps up.
    fn send(&mut self) {
        let Some(wire) = self.state.wire_mut() else {
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
            if !send_in_time(wire, ask, now, self.connecting.source()) {
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
            Order::Ask(ask) => match (&self.state, self.connecting.refusal()) {
                // The server has just answered: no use to let the caller wait.
                (ConnectionState::Pausing(_), Some(failure)) => ask.fail(failure.clone()),
                _ => self.add(ask),
            },
        }
    }

    fn add(&mut self, ask: Box<Ask>) {
        match &mut self.state {
            ConnectionState::Open(_) => self.used = true,
            ConnectionState::Opening(opening) => {
                opening.hurry(self.connecting.allowed_for(ask.ttl));
            }
            ConnectionState::Pausing(until) => {
                let pause = self.connecting.pause_for(ask.ttl);
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
            ConnectionEvent::Opened(connection) => self.handle_opened(connection),
            ConnectionEvent::NotOpened(unopened) => {
                let failure = self.connecting.failed(unopened);
                self.fail_to_open(failure);
            }
            ConnectionEvent::CutShort(cut) => {
                let failure = self.connecting.cut_short(cut);
                self.fail_to_open(failure);
            }
            ConnectionEvent::Said(said) => {
                self.hear(said, Instant::now());
                self.hear_all();
                // Only here: at other times answers may lie unread, and it is not the server that is late.
                if let Some(wire) = self.state.wire_mut() {
                    wire.settle(Instant::now());
                }
            }
        }
    }

    fn fail_to_open(&mut self, failure: Failure) {
        tracing::debug!(redis = %self.connecting.source(), cause = %failure.cause(), "not connected");
        self.metrics.note_not_opened();
        if is_answer(&failure) {
            self.fail_all(&failure);
        }
        self.reconnect(failure);
    }

    fn handle_opened(&mut self, connection: Connection) {
        tracing::debug!(redis = %self.connecting.source(), "connected");
        self.metrics.note_opened();
        self.connecting.succeeded();
        self.used = false;
        let rest_at = Instant::now() + REST;
        self.rest_at = Some(rest_at);
        self.ring_at(rest_at);
        if !connection.pushing && !replace(&mut self.warned.polling, true) {
            tracing::warn!(redis = %self.connecting.source(), "RESP3 is refused: polling instead of messages");
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

    /// Answers the commands whose time is over, and gives up a connection on which nothing is answered
    /// for so long.
    fn expire(&mut self) {
        let now = Instant::now();
        let address = self.connecting.source().address();
        if let Some(wire) = self.state.wire_mut() {
            for ask in wire.take_late(now) {
                let cause = no_answer(ask.times.bound, &address).into();
                ask.fail(Failure::Unknown { cause });
            }
            if let Some(doubt) = wire.doubt().filter(|doubt| doubt.at <= now) {
                let cause = no_answer(doubt.bound, &address).into();
                self.lose(Failure::Unknown { cause });
            }
        }
        let is_open = self.state.wire().is_some();
        while let Some(ask) = self.line.pop_late(now, is_open) {
            self.metrics.note_not_sent();
            let failure = match self.connecting.cause() {
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
            ConnectionState::Open(_) if needed || take(&mut self.used) => Some(now + REST),
            ConnectionState::Open(_) => {
                tracing::debug!(redis = %self.connecting.source(), "at rest: disconnected");
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
        let failure = self.connecting.lost(failure);
        let cause = failure.cause().clone();
        tracing::debug!(redis = %self.connecting.source(), %cause, "connection dropped");
        self.metrics.note_lost();
        let longest_pause = longest_pause(self.asks().map(|ask| ask.ttl));
        self.subscriptions.disconnect();
        if let ConnectionState::Open(wire) = replace(&mut self.state, ConnectionState::Unused) {
            if wire.since.elapsed() > longest_pause {
                self.connecting.note_use();
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
            self.connecting.set_refusal(None);
            self.state = ConnectionState::Unused;
            return;
        }
        self.connecting.set_refusal(Some(failure));
        self.pause();
    }

    fn pause(&mut self) {
        let waiting = self.line.iter().map(|ask| ask.ttl);
        let pause = self.connecting.next_pause(waiting);
        match pause.is_zero() {
            true => self.open(),
            false => self.state = ConnectionState::Pausing(Instant::now() + pause),
        }
    }

    fn open(&mut self) {
        let waiting = self.line.iter().map(|ask| ask.ttl);
        self.state = ConnectionState::Opening(self.connecting.begin(waiting));
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

fn unknown(cause: &str) -> Failure {
    Failure::Unknown {
        cause: cause.into(),
    }
}

/// A connection that nobody uses is closed after this, at the latest after twice as long.
const REST: Duration = Duration::from_secs(10);
const LEAST_PAUSE: Duration = Duration::from_millis(2);
const PAUSE_AFTER_PANIC: Duration = Duration::from_millis(50);
