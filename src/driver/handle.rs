use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use once_cell::sync::OnceCell;
use tracing::Span;

use super::campaign::{CampaignHappening, CampaignInbox, CampaignSlot};
use super::campaigns::ServedCampaigns;
use super::change::Sink;
use super::heartbeat::Served;
use super::serving::Serving;
use super::shared::{CampaignInput, Shared};
use super::{Heartbeat, now, runtime};
use crate::election::{Config, Election, Random, Reason, Time, Token};
use crate::store::{Store, Target};

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
pub struct Handle(Arc<Outside>);

/// What all clones of a handle share.
struct Outside {
    number: u64,
    shared: Arc<Shared>,
}

impl Outside {
    fn send(&self, input: CampaignInput) {
        // A broken campaign has said `Failed`, and answers nobody any more.
        INBOX.put(self.number, CampaignHappening::Asked(input));
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.send(CampaignInput::Abandon);
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Served for Weak<Outside> {
    fn has_ended(&self) -> bool {
        self.strong_count() == 0
    }

    fn tell(&self, hangs: bool) {
        if let Some(outside) = self.upgrade() {
            outside.send(match hangs {
                true => CampaignInput::Suspend,
                false => CampaignInput::Resume,
            });
        }
    }
}

static INBOX: LazyLock<Arc<CampaignInbox>> = LazyLock::new(Arc::default);

/// Starts the one task that serves all campaigns.
fn serve() -> io::Result<()> {
    static SERVED: OnceCell<()> = OnceCell::new();
    SERVED
        .get_or_try_init(|| {
            runtime()?.spawn(ServedCampaigns::new(INBOX.clone(), now).serve());
            Ok(())
        })
        .copied()
}

impl Handle {
    /// Starts a campaign that has nothing to do yet. It ends when the last handle is dropped and nothing is on its way.
    ///
    /// # Errors
    ///
    /// When the runtime or the source of randomness cannot be had.
    pub fn start(start: Start) -> io::Result<Handle> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        serve()?;
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let random = Random::from_seed(u128::from_ne_bytes(seed));
        let outside = Arc::new(Outside {
            number: LAST.fetch_add(1, Ordering::Relaxed) + 1,
            shared: Arc::new(Shared::new(start.config.ttl)),
        });
        if let Some(timeout) = start.config.stall_timeout {
            start.heartbeat.watch(timeout, Arc::downgrade(&outside));
        }
        let slot = CampaignSlot::new(
            outside.number,
            Election::new(start.config, random),
            start.store,
            start.target,
            outside.shared.clone(),
            start.sink,
            start.span,
        );
        INBOX.put(outside.number, CampaignHappening::Start(Box::new(slot)));
        Ok(Handle(outside))
    }

    /// A caller waits for an answer: [`CampaignChange::Answer`](super::CampaignChange::Answer) with at least the returned number follows.
    pub fn establish(&self) -> u64 {
        let number = self.0.shared.establishes.fetch_add(1, Ordering::AcqRel) + 1;
        self.0.send(CampaignInput::Establish { number });
        number
    }

    /// Whether somebody listens for an election.
    pub fn listen(&self, listening: bool) {
        self.0.send(CampaignInput::Listen(listening));
    }

    /// The lease is not held from here on; to be followed by [`Handle::resign`].
    pub fn end_lease(&self) {
        self.0.shared.end_lease();
    }

    /// The work under the lease with this token failed: the lease is given back, where other work is
    /// going on under it when that has had time to stop, and taken again after a pause.
    pub fn fail(&self, token: Token, others_work: bool) {
        self.0.send(CampaignInput::Fail { token, others_work });
    }

    /// The work under the lease with this token has stopped, after [`CampaignChange::Asked`](super::CampaignChange::Asked).
    pub fn step_aside(&self, token: Token) {
        self.0.send(CampaignInput::StepAside { token });
    }

    /// Lets the lease go at this time, as [`Handle::resign`] would, if that has not been called before:
    /// [`CampaignChange::Undrained`](super::CampaignChange::Undrained) comes first. The earliest of several times counts.
    pub fn drain(&self, until: Time) {
        self.0.send(CampaignInput::Drain { until });
    }

    /// Ends the campaign: the lease is not held from here on, [`CampaignChange::Resigned`](super::CampaignChange::Resigned) follows if
    /// there was a campaign, and [`CampaignChange::Ended`](super::CampaignChange::Ended) with at least the returned number when nothing
    /// is on its way any more; before that [`CampaignChange::Unconfirmed`](super::CampaignChange::Unconfirmed) where the store is silent.
    pub fn resign(&self, reason: Reason) -> u64 {
        let number = self.0.shared.begin_resign();
        self.0.send(CampaignInput::Resign { reason, number });
        number
    }

    /// Blocks until the resign with this number has ended; false if the time was up before.
    pub fn wait_ended(&self, resign: u64, until: Time) -> bool {
        self.0.shared.wait_ended(resign, until)
    }

    /// How long the last term lasted, or has by now.
    pub fn term(&self) -> Duration {
        self.0.shared.term()
    }

    /// What was left to the step-down deadline of the last term as its last renewal was confirmed; zero before that.
    pub fn margin(&self) -> Duration {
        self.0.shared.margin()
    }
}
