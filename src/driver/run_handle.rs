use std::cell::RefCell;
use std::io;
use std::sync::mpsc as blocking;

use futures_util::stream::{FuturesUnordered, StreamExt};
use once_cell::sync::OnceCell;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::mailbox::{Sender, mailbox};
use super::run::{RunLoop, live};
use super::run_change::{Beginning, RunInput, RunStart};
use super::{now, runtime};
use crate::election::{Random, Time};

/// The outside's end of the lease of one run.
#[derive(Clone, Debug)]
pub struct RunHandle(Sender<RunInput>);

impl RunHandle {
    /// Asks for the lease, when the order is handed over: [`RunChange::Granted`](super::RunChange::Granted) or
    /// [`RunChange::Refused`](super::RunChange::Refused) follows.
    ///
    /// # Errors
    ///
    /// When the source of randomness cannot be had.
    pub fn start(start: RunStart) -> io::Result<(RunHandle, RunOrder)> {
        let random = random()?;
        let (sender, inputs) = mailbox();
        let order = RunOrder(RunOrderKind::Begin(Box::new(Beginning {
            start,
            random,
            inputs,
        })));
        Ok((RunHandle(sender), order))
    }

    /// The run is over, when the order is handed over. [`RunChange::Released`](super::RunChange::Released) follows.
    pub fn releasing(&self) -> RunOrder {
        RunOrder(RunOrderKind::Release(self.clone()))
    }

    /// The run is over. [`RunChange::Released`](super::RunChange::Released) follows.
    pub fn release(&self) {
        self.send(RunInput::Release);
    }

    /// The run begins: its tick is used up.
    pub fn begin(&self) {
        self.send(RunInput::Begin);
    }

    /// The run may go on until then, and its lease is released all the same:
    /// [`RunChange::Cut`](super::RunChange::Cut) follows, unless the run was over before.
    pub fn release_at(&self, at: Time) {
        self.send(RunInput::ReleaseAt(at));
    }

    /// No run has begun, and none will.
    pub fn abandon(&self) {
        self.send(RunInput::Abandon);
    }

    /// No run has begun, because the grant had run out when it was noticed. A second
    /// [`RunChange::Granted`](super::RunChange::Granted) or
    /// [`RunChange::Refused`](super::RunChange::Refused) follows.
    pub fn miss(&self) {
        self.send(RunInput::Miss);
    }

    /// The end of the run, to be waited for: nothing is on its way then.
    pub fn end(&self) -> RunWait {
        let (sender, ended) = blocking::channel();
        self.send(RunInput::Tell(sender));
        RunWait(ended)
    }

    fn send(&self, input: RunInput) {
        // A loop that has ended needs to hear nothing any more.
        self.0.send(input);
    }
}

/// See [`RunHandle::end`].
#[derive(Debug)]
pub struct RunWait(blocking::Receiver<()>);

impl RunWait {
    /// Blocks until it has come; false if the time was up before.
    pub fn wait(&self, until: Time) -> bool {
        // Nobody sends: the channel closes with the run.
        let waited = self.0.recv_timeout(until.since(now()));
        waited == Err(blocking::RecvTimeoutError::Disconnected)
    }
}

/// What is asked of the background about a run, to be handed over together with others: each time that
/// it has to be woken costs the thread of the event loop as much as all the rest of a run.
pub struct RunOrder(RunOrderKind);

enum RunOrderKind {
    Begin(Box<Beginning>),
    Release(RunHandle),
}

/// Hands orders over, in this order.
///
/// # Errors
///
/// When the background thread cannot be started.
pub fn hand_over(orders: Vec<RunOrder>) -> io::Result<()> {
    // Refused only when the runtime has ended; then nobody waits either.
    let _ = background()?.send(orders);
    Ok(())
}

/// The way to the one task that all runs share: a task for each would be allocated by the thread of the
/// event loop, whose time is dear, and freed by another.
fn background() -> io::Result<&'static UnboundedSender<Vec<RunOrder>>> {
    static ORDERS: OnceCell<UnboundedSender<Vec<RunOrder>>> = OnceCell::new();
    ORDERS.get_or_try_init(|| {
        let (sender, orders) = mpsc::unbounded_channel();
        runtime()?.spawn(serve(orders));
        Ok(sender)
    })
}

async fn serve(mut all: UnboundedReceiver<Vec<RunOrder>>) {
    let mut runs = FuturesUnordered::new();
    loop {
        tokio::select! {
            orders = all.recv() => {
                let Some(orders) = orders else {
                    return;
                };
                for RunOrder(order) in orders {
                    match order {
                        RunOrderKind::Begin(beginning) => runs.push(Box::pin(live(RunLoop::new(*beginning)))),
                        RunOrderKind::Release(run) => run.release(),
                    }
                }
            }
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
