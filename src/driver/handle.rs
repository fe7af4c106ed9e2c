use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{Instrument, Span};

use super::campaign::CampaignLoop;
use super::change::{CampaignChange, Sink};
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
pub struct Handle {
    inputs: mpsc::UnboundedSender<CampaignInput>,
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
        let shared = Arc::new(Shared::new(start.config.ttl));
        let sink: Arc<dyn Fn(CampaignChange) + Send + Sync> = Arc::from(start.sink);
        if let Some(timeout) = start.config.stall_timeout {
            start.heartbeat.watch(timeout, inputs.downgrade());
        }
        let campaign = CampaignLoop::new(
            Election::new(start.config, random),
            start.store,
            start.target,
            receiver,
            shared.clone(),
            sink.clone(),
            now,
        )
        .within(start.span.clone());
        // Within its span only where it has something to say: to enter one costs as much as a renewal's rules.
        let task = runtime.spawn(campaign.run());
        let supervised = shared.clone();
        let supervisor = async move {
            if let Err(error) = task.await {
                tracing::error!(%error, "the campaign failed");
                sink(CampaignChange::Failed {
                    token: supervised.fail(),
                });
            }
        };
        runtime.spawn(supervisor.instrument(start.span));
        Ok(Handle { inputs, shared })
    }

    /// A caller waits for an answer: [`CampaignChange::Answer`] with at least the returned number follows.
    pub fn establish(&self) -> u64 {
        let number = self.shared.establishes.fetch_add(1, Ordering::AcqRel) + 1;
        self.send(CampaignInput::Establish { number });
        number
    }

    /// Whether somebody listens for an election.
    pub fn listen(&self, listening: bool) {
        self.send(CampaignInput::Listen(listening));
    }

    /// The lease is not held from here on; to be followed by [`Handle::resign`].
    pub fn end_lease(&self) {
        self.shared.end_lease();
    }

    /// The work under the lease with this token failed: the lease is given back, where other work is
    /// going on under it when that has had time to stop, and taken again after a pause.
    pub fn fail(&self, token: Token, others_work: bool) {
        self.send(CampaignInput::Fail { token, others_work });
    }

    /// The work under the lease with this token has stopped, after [`CampaignChange::Asked`].
    pub fn step_aside(&self, token: Token) {
        self.send(CampaignInput::StepAside { token });
    }

    /// Lets the lease go at this time, as [`Handle::resign`] would, if that has not been called before:
    /// [`CampaignChange::Undrained`] comes first. The earliest of several times counts.
    pub fn drain(&self, until: Time) {
        self.send(CampaignInput::Drain { until });
    }

    /// Ends the campaign: the lease is not held from here on, [`CampaignChange::Resigned`] follows if
    /// there was a campaign, and [`CampaignChange::Ended`] with at least the returned number when nothing
    /// is on its way any more; before that [`CampaignChange::Unconfirmed`] where the store is silent.
    pub fn resign(&self, reason: Reason) -> u64 {
        let number = self.shared.begin_resign();
        self.send(CampaignInput::Resign { reason, number });
        number
    }

    /// Blocks until the resign with this number has ended; false if the time was up before.
    pub fn wait_ended(&self, resign: u64, until: Time) -> bool {
        self.shared.wait_ended(resign, until)
    }

    /// How long the last term lasted, or has by now.
    pub fn term(&self) -> Duration {
        self.shared.term()
    }

    /// What was left to the step-down deadline of the last term as its last renewal was confirmed; zero before that.
    pub fn margin(&self) -> Duration {
        self.shared.margin()
    }

    fn send(&self, input: CampaignInput) {
        // A broken loop has said `Failed`, and answers nobody any more.
        let _ = self.inputs.send(input);
    }
}
