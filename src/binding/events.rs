//! What reaches the layers of JavaScript: batches of numbers, one call for each turn of the event loop.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::rc::Rc;

use napi::Env;
use napi::bindgen_prelude::{Either, Either3, Float64Array, FnArgs, FunctionRef};
use napi::threadsafe_function::UnknownReturnValue;
use napi_derive::napi;

use super::environment::{self, Environment, Feature};
use super::node;
use crate::driver::Heartbeat;

/// What an event is. Each is three numbers: this, the place of the run, and a number or the place of its text among
/// those of the batch.
#[napi]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    // Of a run: something follows.
    /// With the token.
    Granted = 1,
    /// With the reason.
    Lost,
    /// The run has had its time; its lease is renewed no more.
    Overrun,
    /// Nothing bounds this run, and it has held its lease for so many ms.
    LongRun,
    /// The lease is being released under the run.
    Cut,
    /// The release is on its way, and its caller does not wait for more.
    Sent,
    // Of a run: nothing follows.
    /// Another holds the lease, or has just held it.
    Held,
    /// Another has run this tick, or is running it.
    Ran,
    /// With the cause.
    Unavailable,
    /// With the cause.
    Denied,
    Abandoned,
    Released,
    /// Something of ours broke.
    Failed,
    // Of no run.
    /// Of the log: with the line.
    Logged,
    /// To be answered with `turned`.
    Ping,
    /// The server refuses the credentials of a source: to be read again, and told with `useCredentials`. With
    /// the number of the reader.
    CredentialsRefused,
}

/// A line of the log.
#[napi(object, object_from_js = false)]
pub struct Line {
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    pub message: String,
    pub names: Vec<String>,
    pub values: Vec<Either3<String, f64, bool>>,
}

/// A text, or a line of the log.
pub type Extra = Either<String, Line>;

pub type Deliver = FunctionRef<FnArgs<(u32, Vec<Extra>)>, UnknownReturnValue>;

/// One layer of JavaScript: a test runner may load several into one environment.
pub struct Attachment {
    pub number: u64,
    /// What a verb is called with, as far as that is numbers: the options of a run, and behind them what they are of.
    pub numbers: Float64Array,
    over: Float64Array,
    deliver: Deliver,
    events: RefCell<Float64Array>,
    filled: Cell<usize>,
    extras: RefCell<Vec<Extra>>,
}

#[derive(Default)]
pub struct Events {
    attachments: RefCell<Vec<Rc<Attachment>>>,
    /// The one that is told what is logged.
    pub logged: Cell<u64>,
    heartbeat: OnceCell<Heartbeat>,
    answered: Cell<bool>,
}

impl Events {
    pub fn attach(&self, attachment: Attachment) -> Rc<Attachment> {
        let attachment = Rc::new(attachment);
        self.attachments.borrow_mut().push(attachment.clone());
        attachment
    }

    pub fn attachment(&self, number: u64) -> Option<Rc<Attachment>> {
        let attachments = self.attachments.borrow();
        attachments.iter().find(|a| a.number == number).cloned()
    }

    /// The event loop turns. `excused` where standing still from here on would not be a hang.
    pub fn beat(&self, excused: bool) {
        self.answered.set(true);
        if let Some(heartbeat) = self.heartbeat.get() {
            heartbeat.beat(excused);
        }
    }

    /// The one whose world is the most likely to be still there.
    pub fn newest(&self) -> Option<Rc<Attachment>> {
        self.attachments.borrow().last().cloned()
    }
}

impl Feature for Events {
    fn turned(&self, env: &Env, _: &Rc<Environment>) {
        let attachments = self.attachments.borrow().clone();
        for attachment in attachments {
            attachment.flush(env);
        }
    }
}

impl Attachment {
    pub fn new(number: u64, deliver: Deliver, [events, numbers, over]: [Float64Array; 3]) -> Self {
        Attachment {
            number,
            numbers,
            over,
            deliver,
            events: RefCell::new(events),
            filled: Cell::new(0),
            extras: RefCell::default(),
        }
    }

    /// What a verb is about: a run, a lease, or the place of a run that begins.
    pub fn subject(&self) -> f64 {
        self.number_at(SUBJECT)
    }

    /// Whether the run that is taken is one of a tick.
    pub fn is_of_tick(&self) -> bool {
        self.number_at(OF_TICK) != 0.0
    }

    /// The runs that are over, since the last hand-over.
    pub fn over(&self) -> &[f64] {
        let count = self.number_at(OVER) as usize;
        self.over.get(..count).unwrap_or_default()
    }

    fn number_at(&self, at: usize) -> f64 {
        self.numbers.get(at).copied().unwrap_or(f64::NAN)
    }

    pub fn tell(&self, env: &Env, kind: EventKind, run: u32, number: f64) {
        self.make_room(env);
        self.put(kind, run, number);
    }

    /// With a text, whose place is told.
    pub fn tell_text(&self, env: &Env, kind: EventKind, run: u32, text: &str) {
        self.tell_extra(env, kind, run, Either::A(text.into()));
    }

    pub fn tell_extra(&self, env: &Env, kind: EventKind, run: u32, extra: Extra) {
        self.make_room(env);
        let mut extras = self.extras.borrow_mut();
        extras.push(extra);
        let place = extras.len() - 1;
        drop(extras);
        self.put(kind, run, place as f64);
    }

    fn make_room(&self, env: &Env) {
        if (self.filled.get() + 1) * SIZE > self.events.borrow().len() {
            self.flush(env);
        }
    }

    fn put(&self, kind: EventKind, run: u32, number: f64) {
        let at = self.filled.get();
        let event = [f64::from(kind as u8), f64::from(run), number];
        node::write(&mut self.events.borrow_mut(), at * SIZE, &event);
        self.filled.set(at + 1);
    }

    fn flush(&self, env: &Env) {
        let count = self.filled.replace(0);
        let extras = self.extras.take();
        if count == 0 {
            return;
        }
        let delivered = self
            .deliver
            .borrow_back(env)
            .and_then(|deliver| deliver.call(FnArgs::from((count as u32, extras))));
        if delivered.is_err() {
            // Its world has ended: nobody there waits for anything.
            tracing::debug!(
                environment = environment::id(),
                "events reached no listener"
            );
        }
    }
}

/// The life of an environment's event loop, asked for from the first call on.
pub fn heartbeat(environment: &Environment) -> io::Result<Heartbeat> {
    let events = environment.feature::<Events>();
    if let Some(heartbeat) = events.heartbeat.get() {
        return Ok(heartbeat.clone());
    }
    let channel = environment.channel.clone();
    let heartbeat = Heartbeat::start(move || channel.send(ping))?;
    Ok(events.heartbeat.get_or_init(|| heartbeat).clone())
}

fn ping(env: &Env, environment: &Rc<Environment>) {
    let events = environment.feature::<Events>();
    events.answered.set(false);
    if let Some(newest) = events.newest() {
        newest.tell(env, EventKind::Ping, 0, 0.0);
        newest.flush(env);
    }
    // It turns, though nobody here says so.
    if !events.answered.get() {
        events.beat(false);
    }
}

/// How many numbers an event is.
const SIZE: usize = 3;

/// Where in the list of numbers these are, behind the options of a run.
const SUBJECT: usize = 13;
const OF_TICK: usize = 14;
const OVER: usize = 15;
