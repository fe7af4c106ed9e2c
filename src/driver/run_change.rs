use std::sync::{Arc, Weak, mpsc as blocking};
use std::time::Duration;

use super::heartbeat::Served;
use super::mailbox::Mailbox;
use super::{Heartbeat, LeaseCell};
use crate::election::run::{Refusal, RunConfig, RunEnd};
use crate::election::{Random, Time};
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
    /// To [`RunHandle::release`](super::RunHandle::release), or after [`RunChange::Cut`]: it need not be waited for any longer.
    Released,
    /// The loop itself broke: nothing follows.
    Failed,
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
    /// Called from one task only, in order. It must not block.
    pub sink: Box<dyn Fn(RunChange) + Send + Sync>,
}

#[derive(Debug)]
pub(super) enum RunInput {
    Release,
    /// The run may go on until then, and its lease is released all the same.
    ReleaseAt(Time),
    Abandon,
    Begin,
    Miss,
    Stall,
    /// Somebody waits until nothing is on its way any more.
    Tell(blocking::Sender<()>),
}

impl Served for Weak<Mailbox<RunInput>> {
    fn has_ended(&self) -> bool {
        self.strong_count() == 0
    }

    fn tell(&self, hangs: bool) {
        // Once it is given up, a loop that turns again finds it lost.
        if hangs && let Some(inputs) = self.upgrade() {
            inputs.put(RunInput::Stall);
        }
    }
}

/// A run on its way to the background.
pub(super) struct Beginning {
    pub start: RunStart,
    pub random: Random,
    pub inputs: Arc<Mailbox<RunInput>>,
}
