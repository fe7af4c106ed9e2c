use std::sync::{Arc, mpsc as blocking};
use std::time::Duration;

use super::{Heartbeat, LeaseCell};
use crate::election::run::{Refusal, RunConfig, RunEnd, RunOutcome, RunRequest};
use crate::election::{Failure, Time};
use crate::store::RunStore;

/// What the lease of a run tells the outside, in order.
#[derive(Clone, Debug)]
pub enum RunChange {
    Granted(Arc<LeaseCell>),
    Refused(Refusal),
    Lost(RunEnd),
    /// The run has had its time; its lease is renewed no more.
    Overrun,
    /// Nothing bounds this run, and it has held its lease for so long.
    LongRun(Duration),
    /// The time of [`RunHandle::release_at`](super::RunHandle::release_at) was up: the lease is being
    /// released under the run.
    Cut,
    /// Where nobody waits for the release itself: it is on its way, and [`RunChange::Released`] follows.
    Sent,
    /// To [`RunHandle::release`](super::RunHandle::release), or after [`RunChange::Cut`]: it need not be waited for any longer.
    /// Nothing follows.
    Released,
    /// The run itself broke: nothing follows.
    Failed,
}

/// Where the changes of runs go, of many at once.
pub trait RunSink: Send + Sync {
    /// Called from one task only, in order. It must not block.
    fn tell(&self, run: u64, change: RunChange);

    /// The same, of what nobody waits for: it may be told with the next that is.
    fn leave(&self, run: u64, change: RunChange);
}

/// What the lease of a run is asked for with.
pub struct RunStart {
    pub store: Arc<dyn RunStore>,
    pub resource: Arc<str>,
    pub config: RunConfig,
    /// How long the run may take.
    pub max_run: Option<Duration>,
    /// The life of the event loop that runs the job, and how long it may stand still.
    pub stall: Option<(Heartbeat, Duration)>,
    pub sink: Arc<dyn RunSink>,
    /// By which the sink knows it.
    pub number: u64,
}

/// What a run hears.
pub(super) enum RunInput {
    /// With the seed of all that it draws.
    Start(RunStart, u128),
    Release,
    /// The run may go on until then, and its lease is released anyway.
    ReleaseAt(Time),
    Abandon,
    /// Somebody waits for the end of its release.
    Watch,
    Begin,
    Miss,
    Stall,
    /// Somebody waits until nothing is on its way any more.
    Tell(blocking::Sender<()>),
    Answer(RunRequest, Result<RunOutcome, Failure>),
    /// The request with this id was written to the socket.
    Sent(u64),
    /// The lease was released by another, and can be had after so long.
    Message(Duration),
}
