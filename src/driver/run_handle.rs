use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, mpsc as blocking};

use once_cell::sync::OnceCell;

use super::run_change::{RunInput, RunStart};
use super::run_inbox::RunInbox;
use super::runs::Runs;
use super::serving::Serving;
use super::{now, runtime};
use crate::election::{Random, Time};

/// The outside's end of the lease of one run.
///
/// To wake the background costs the thread of an event loop as much as all the rest of a run: what is said of many is
/// handed over together, with [`hand_over`].
#[derive(Debug)]
pub struct RunHandle(u64);

impl RunHandle {
    /// Asks for the lease, after [`hand_over`]: [`RunChange::Granted`](super::RunChange::Granted) or
    /// [`RunChange::Refused`](super::RunChange::Refused) follows.
    ///
    /// # Errors
    ///
    /// When the source of randomness or the background thread cannot be had.
    pub fn start(start: RunStart) -> io::Result<RunHandle> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let seed = seed()?;
        serve()?;
        let run = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        INBOX.leave(run, RunInput::Start(start, seed));
        Ok(RunHandle(run))
    }

    /// The run is over, after [`hand_over`]. [`RunChange::Released`](super::RunChange::Released) follows.
    pub fn release(&self) {
        INBOX.leave(self.0, RunInput::Release);
    }

    /// The run begins: its tick is used up.
    pub fn begin(&self) {
        INBOX.put(self.0, RunInput::Begin);
    }

    /// The run may go on until then, and its lease is released anyway:
    /// [`RunChange::Cut`](super::RunChange::Cut) follows, unless the run was over before.
    pub fn release_at(&self, at: Time) {
        INBOX.put(self.0, RunInput::ReleaseAt(at));
    }

    /// No run has begun, and none will.
    pub fn abandon(&self) {
        INBOX.put(self.0, RunInput::Abandon);
    }

    /// No run has begun, because the grant had run out when it was noticed. A second
    /// [`RunChange::Granted`](super::RunChange::Granted) or
    /// [`RunChange::Refused`](super::RunChange::Refused) follows.
    pub fn miss(&self) {
        INBOX.put(self.0, RunInput::Miss);
    }

    /// Somebody waits for [`RunChange::Released`](super::RunChange::Released), though not for the release of the run.
    pub fn watch(&self) {
        INBOX.put(self.0, RunInput::Watch);
    }

    /// The end of the run, to be waited for: nothing is on its way then.
    pub fn end(&self) -> RunWait {
        let (sender, ended) = blocking::channel();
        INBOX.put(self.0, RunInput::Tell(sender));
        RunWait(ended)
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

/// Hands over what was said of runs, in this order.
pub fn hand_over() {
    INBOX.wake();
}

static INBOX: LazyLock<Arc<RunInbox>> = LazyLock::new(Arc::default);

/// Starts the one task that serves all runs.
fn serve() -> io::Result<()> {
    static SERVED: OnceCell<()> = OnceCell::new();
    SERVED
        .get_or_try_init(|| {
            runtime()?.spawn(Runs::new(INBOX.clone()).serve());
            Ok(())
        })
        .copied()
}

/// Each run draws from a source of its own, seeded from one of this thread that the operating system seeded.
fn seed() -> io::Result<u128> {
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
        Ok(seeds.as_mut().map_or(0, Random::next_u128))
    })
}
