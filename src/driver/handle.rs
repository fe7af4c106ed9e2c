use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{Instrument, Span};

use super::campaign::{Campaign, Input};
use super::{Heartbeat, LeaseCell, now, runtime};
use crate::election::{Answer, Config, Election, Grant, Primary, Random, Reason, Time, Token};
use crate::store::{Store, Target};

/// What a campaign tells the outside, in order.
#[derive(Clone, Debug)]
pub enum Change {
    Elected(Arc<LeaseCell>),
    Lost {
        token: Token,
        reason: Reason,
    },
    Resigned {
        token: Option<Token>,
        reason: Reason,
    },
    PrimaryChanged(Option<Primary>),
    Unavailable {
        cause: Arc<str>,
    },
    Available,
    /// To every caller who establishes, up to the call of [`Handle::establish`] that returned this
    /// number. An `Elected` came before an answer with its token.
    Answer {
        establish: u64,
        answer: Answer,
    },
    /// To whoever called [`Handle::resign`] up to the call that returned this number: what was held
    /// has run out, though the store has not confirmed its release, which goes on.
    Unconfirmed {
        resign: u64,
    },
    /// Nothing is on its way any more of any campaign that was resigned with [`Handle::resign`]
    /// up to the one that returned this number.
    Ended {
        resign: u64,
    },
    /// The loop itself broke: nothing follows, and the handle is dead. The token if a lease was
    /// held until now.
    Failed {
        token: Option<Token>,
    },
}

/// The word that the outside has for a reason.
pub fn reason_word(reason: Reason) -> &'static str {
    match reason {
        Reason::StoreLost => "store-lost",
        Reason::Expired => "expired",
        Reason::Superseded => "superseded",
        Reason::Stalled => "stalled",
        Reason::Resigned => "resigned",
        Reason::Exit => "exit",
        Reason::Internal => "internal",
    }
}

/// Where the changes go: called from one task only, in order. It must not block.
pub type Sink = Box<dyn Fn(Change) + Send + Sync>;

/// What a new campaign is started with.
pub struct Start {
    pub store: Arc<dyn Store>,
    pub target: Target,
    pub config: Config,
    pub sink: Sink,
    /// The life of the event loop that the campaign serves.
    pub heartbeat: Heartbeat,
    /// Every log line of the campaign is within it.
    pub span: Span,
}

/// The outside's end of one candidate. It can campaign and resign any number of times.
#[derive(Clone, Debug)]
pub struct Handle {
    inputs: mpsc::UnboundedSender<Input>,
    shared: Arc<Shared>,
}

impl Handle {
    /// Starts the loop. It ends when the last handle is dropped and nothing is on its way.
    ///
    /// # Errors
    ///
    /// When the runtime or the source of randomness cannot be had.
    pub fn start(start: Start) -> io::Result<Handle> {
        let runtime = runtime()?;
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let random = Random::from_seed(u128::from_ne_bytes(seed));
        let (inputs, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::default());
        let sink: Arc<dyn Fn(Change) + Send + Sync> = Arc::from(start.sink);
        if let Some(timeout) = start.config.stall_timeout {
            start.heartbeat.watch(timeout, inputs.downgrade());
        }
        let campaign = Campaign::new(
            Election::new(start.config, random),
            start.store,
            start.target,
            receiver,
            shared.clone(),
            sink.clone(),
            now,
        );
        let task = runtime.spawn(campaign.run().instrument(start.span.clone()));
        let supervised = shared.clone();
        let supervisor = async move {
            if let Err(error) = task.await {
                tracing::error!(%error, "the campaign broke");
                sink(Change::Failed {
                    token: supervised.fail(),
                });
            }
        };
        runtime.spawn(supervisor.instrument(start.span));
        Ok(Handle { inputs, shared })
    }

    /// A caller waits for an answer: [`Change::Answer`] with at least the returned number follows.
    pub fn establish(&self) -> u64 {
        let number = self.shared.establishes.fetch_add(1, Ordering::AcqRel) + 1;
        self.send(Input::Establish { number });
        number
    }

    /// Whether somebody listens for an election.
    pub fn listen(&self, listening: bool) {
        self.send(Input::Listen(listening));
    }

    /// The lease is not held from here on; to be followed by [`Handle::resign`].
    pub fn end_lease(&self) {
        self.shared.end_lease();
    }

    /// Ends the campaign: the lease is not held from here on, [`Change::Resigned`] follows if
    /// there was a campaign, and [`Change::Ended`] with at least the returned number when nothing
    /// is on its way any more; before that [`Change::Unconfirmed`] where the store is silent.
    pub fn resign(&self, reason: Reason) -> u64 {
        let number = self.shared.begin_resign();
        self.send(Input::Resign { reason, number });
        number
    }

    fn send(&self, input: Input) {
        // A broken loop has said `Failed`, and answers nobody any more.
        let _ = self.inputs.send(input);
    }
}

/// Blocks until every handle's resign with that number has ended, for `timeout` at most in all;
/// false if the time was up.
pub fn wait_ended(resigns: &[(Handle, u64)], timeout: Duration) -> bool {
    let until = now() + timeout;
    resigns
        .iter()
        .all(|(handle, number)| handle.shared.wait_ended(*number, until))
}

/// What a handle and its loop share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    cell: Mutex<Option<Arc<LeaseCell>>>,
    establishes: AtomicU64,
    /// The number of the latest resign that was asked for.
    asked: AtomicU64,
    /// The number of the latest resign of which nothing is on its way any more.
    ended: Mutex<u64>,
    ending: Condvar,
}

impl Shared {
    /// The cell of a new term; dead from the start if a resign was asked for that the loop has not
    /// heard of yet.
    pub(super) fn begin_term(&self, grant: Grant, heard: u64) -> Arc<LeaseCell> {
        let mut present = lock(&self.cell);
        let cell = Arc::new(LeaseCell::new(grant.token, grant.step_down_at));
        if self.resign_asked_after(heard) {
            cell.end();
        }
        *present = Some(cell.clone());
        cell
    }

    pub(super) fn end_term(&self) -> Option<Token> {
        let cell = lock(&self.cell).take()?;
        cell.end();
        Some(cell.token())
    }

    pub(super) fn extend_term(&self, now: Time, held_until: Time) -> bool {
        lock(&self.cell)
            .as_ref()
            .is_none_or(|cell| cell.extend(now, held_until))
    }

    pub(super) fn resign_asked_after(&self, heard: u64) -> bool {
        self.asked.load(Ordering::Acquire) > heard
    }

    pub(super) fn end_resign(&self, number: u64) {
        *lock(&self.ended) = number;
        self.ending.notify_all();
    }

    fn end_lease(&self) {
        if let Some(cell) = lock(&self.cell).as_ref() {
            cell.end();
        }
    }

    pub(super) fn begin_resign(&self) -> u64 {
        let cell = lock(&self.cell);
        if let Some(cell) = cell.as_ref() {
            cell.end();
        }
        // Under the lock, so that a term which begins now is seen here or sees this.
        self.asked.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn fail(&self) -> Option<Token> {
        self.end_resign(u64::MAX);
        self.end_term()
    }

    fn wait_ended(&self, number: u64, until: Time) -> bool {
        let mut ended = lock(&self.ended);
        while *ended < number {
            let remaining = until.since(now());
            if remaining.is_zero() {
                return false;
            }
            ended = self
                .ending
                .wait_timeout(ended, remaining)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}

/// Nothing is left half-written under these locks, so a panic elsewhere does not spoil them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
