use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Weak, mpsc as blocking};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use once_cell::sync::OnceCell;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::heartbeat::Served;
use super::mailbox::{Mailbox, Sender, mailbox};
use super::run::{Run, live};
use super::{Heartbeat, LeaseCell, runtime};
use crate::election::Random;
use crate::election::scoped::{Refusal, ScopedConfig, ScopedEnd};
use crate::store::ScopedStore;

/// What the lease of a run tells the outside, in order.
#[derive(Clone, Debug)]
pub enum RunChange {
    Granted(Arc<LeaseCell>),
    Refused(Refusal),
    Lost(ScopedEnd),
    /// The run has had its time; its lease is renewed no more.
    Overrun,
    /// Nothing bounds this run, and it has held its lease for so long.
    LongRun(Duration),
    /// To [`RunHandle::release`]: it need not be waited for any longer.
    Released,
    /// The loop itself broke: nothing follows.
    Failed,
}

/// What the lease of a run is asked for with.
pub struct RunStart {
    pub store: Arc<dyn ScopedStore>,
    pub resource: Arc<str>,
    pub config: ScopedConfig,
    /// How long the run may take.
    pub max_run: Option<Duration>,
    /// The life of the event loop that runs the job, and how long it may stand still.
    pub stall: Option<(Heartbeat, Duration)>,
    /// Called from one task only, in order. It must not block.
    pub sink: Box<dyn Fn(RunChange) + Send + Sync>,
}

/// The outside's end of the lease of one run.
#[derive(Clone, Debug)]
pub struct RunHandle(Sender<Input>);

#[derive(Debug)]
pub(super) enum Input {
    Release,
    Abandon,
    Begin,
    Miss,
    Stall,
    /// Somebody waits until nothing is on its way any more.
    Tell(blocking::Sender<()>),
}

impl Served for Weak<Mailbox<Input>> {
    fn has_ended(&self) -> bool {
        self.strong_count() == 0
    }

    fn tell(&self, hangs: bool) {
        // Once it is given up, a loop that turns again finds it lost.
        if hangs && let Some(inputs) = self.upgrade() {
            inputs.put(Input::Stall);
        }
    }
}

impl RunHandle {
    /// Asks for the lease: [`RunChange::Granted`] or [`RunChange::Refused`] follows.
    ///
    /// # Errors
    ///
    /// When the runtime or the source of randomness cannot be had.
    pub fn start(start: RunStart) -> io::Result<RunHandle> {
        let random = random()?;
        let (sender, inputs) = mailbox();
        // Refused only when the runtime has ended; then nobody waits either.
        let _ = beginnings()?.send(Beginning {
            start,
            random,
            inputs,
        });
        Ok(RunHandle(sender))
    }

    /// The run is over. [`RunChange::Released`] follows.
    pub fn release(&self) {
        self.send(Input::Release);
    }

    /// The run begins: its tick is used up.
    pub fn begin(&self) {
        self.send(Input::Begin);
    }

    /// No run has begun, and none will.
    pub fn abandon(&self) {
        self.send(Input::Abandon);
    }

    /// No run has begun, because the grant had run out when it was noticed. A second
    /// [`RunChange::Granted`] or [`RunChange::Refused`] follows.
    pub fn miss(&self) {
        self.send(Input::Miss);
    }

    fn send(&self, input: Input) {
        // A loop that has ended needs to hear nothing any more.
        self.0.send(input);
    }
}

/// Blocks until nothing is on its way for any of the runs, for `timeout` at most in all; false if the
/// time was up.
pub fn wait_runs_ended(runs: &[RunHandle], timeout: Duration) -> bool {
    let (sender, ended) = blocking::channel();
    for run in runs {
        run.send(Input::Tell(sender.clone()));
    }
    drop(sender);
    // Nobody sends: the channel closes with the last of them.
    ended.recv_timeout(timeout) == Err(blocking::RecvTimeoutError::Disconnected)
}

/// A run on its way to the background.
pub(super) struct Beginning {
    pub start: RunStart,
    pub random: Random,
    pub inputs: Arc<Mailbox<Input>>,
}

/// The way to the one task that all runs share: a task for each would be allocated by the thread of the
/// event loop, whose time is dear, and freed by another.
fn beginnings() -> io::Result<&'static UnboundedSender<Beginning>> {
    static BEGINNINGS: OnceCell<UnboundedSender<Beginning>> = OnceCell::new();
    BEGINNINGS.get_or_try_init(|| {
        let (sender, beginnings) = mpsc::unbounded_channel();
        runtime()?.spawn(serve(beginnings));
        Ok(sender)
    })
}

async fn serve(mut beginnings: UnboundedReceiver<Beginning>) {
    let mut runs = FuturesUnordered::new();
    loop {
        tokio::select! {
            beginning = beginnings.recv() => match beginning {
                Some(beginning) => runs.push(Box::pin(live(Run::new(beginning)))),
                None => return,
            },
            Some(()) = runs.next(), if !runs.is_empty() => {}
        }
    }
}

/// A source of its own for each run, from one of this thread that the operating system seeded.
fn random() -> io::Result<Random> {
    thread_local! {
        static SEEDS: RefCell<Option<Random>> = const { RefCell::new(None) };
    }
    SEEDS.with(|seeds| {
        let mut seeds = seeds.borrow_mut();
        if seeds.is_none() {
            let mut seed = [0; 16];
            getrandom::fill(&mut seed).map_err(io::Error::other)?;
            *seeds = Some(Random::from_seed(u128::from_ne_bytes(seed)));
        }
        let seed = seeds.as_mut().map_or(0, Random::next_u128);
        Ok(Random::from_seed(seed))
    })
}
