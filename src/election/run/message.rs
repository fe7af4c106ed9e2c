use std::sync::Arc;
use std::time::Duration;

use super::Tick;
use crate::election::{Grant, Identity, Reason, Time, Token};

/// What is asked of the store about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunCommand {
    Acquire {
        identity: Identity,
        ttl: Duration,
        /// Refused where another has been granted the lease for this tick.
        tick: Option<Tick>,
    },
    /// The run has begun: a server that asks for its tick need not wait any more to learn that.
    Begin { identity: Identity, token: Token },
    /// Of a run that has begun, should [`RunCommand::Begin`] not have come.
    Renew {
        identity: Identity,
        token: Token,
        ttl: Duration,
    },
    Release {
        identity: Identity,
        token: Token,
        /// Nobody else is granted the lease before this has passed since the grant.
        min_hold: Duration,
    },
    /// Gives back a grant that may have been made and that nobody heard of: as if it never was, its
    /// tick included.
    Withdraw {
        identity: Identity,
        tick: Option<Tick>,
    },
}

impl RunCommand {
    /// Whose command it is.
    pub fn identity(&self) -> Identity {
        match self {
            RunCommand::Acquire { identity, .. }
            | RunCommand::Begin { identity, .. }
            | RunCommand::Renew { identity, .. }
            | RunCommand::Release { identity, .. }
            | RunCommand::Withdraw { identity, .. } => *identity,
        }
    }
}

/// One command on its way. The answer brings the whole request back, as in an election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRequest {
    /// Rises with every request of one lease.
    pub id: u64,
    pub sent_at: Time,
    /// Unanswered for this long once it was sent, the outcome is unknown.
    pub bound: Duration,
    /// How long its answer is worth waiting for, where it cannot be sent at once; no less than the bound.
    pub patience: Duration,
    pub command: RunCommand,
    /// The lease wants to hear when it was written to the socket.
    pub tell_sent: bool,
}

impl RunRequest {
    /// Not sent for so long, it is refused: there must be time left for the answer.
    pub fn to_be_sent(&self) -> Duration {
        self.patience - self.patience / 16
    }
}

/// What the store answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    Granted {
        token: Token,
        /// How long after the request it was sent: the store was behind.
        waited: Duration,
    },
    /// Another holds it, or has just held it: for so long yet, if nothing is renewed or released.
    Held(Duration),
    /// To one that asks for a tick: another was granted it, or the lease, and has not begun to run. It may
    /// give it back yet. With the time until which that tick is remembered, for [`Tick::latest`].
    Pending(Option<u64>),
    /// Another was granted the lease for this tick.
    Ran,
    /// To [`RunCommand::Begin`]: that is known now.
    Begun,
    Renewed,
    /// To a renewal: another holds it.
    Superseded,
    /// To a renewal: nobody holds it, it has expired or its key was lost.
    Gone,
    /// It is free, or will be when its `min_hold` has passed.
    Released,
    /// To a release or a withdrawal: the lease was not mine. To a beginning: that, or it was known.
    NotMine,
}

/// Why a lease was not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another holds it, or has just held it.
    Held,
    /// Another has run this tick, or is running it.
    Ran,
    /// No answer for the acquire timeout.
    Unavailable { cause: Arc<str> },
    /// The store refuses this caller.
    Denied { cause: Arc<str> },
    /// The caller gave up.
    Abandoned,
}

/// How a lease that was granted ended before its holder was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEnd {
    pub token: Token,
    pub reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOutput {
    Send(RunRequest),
    Granted(Grant),
    Refused(Refusal),
    /// The lease in hand is held until here.
    Extended {
        step_down_at: Time,
    },
    /// Nothing bounds this run, and it has held its lease for so long. Said once.
    LongRun {
        held: Duration,
    },
    Lost(RunEnd),
    /// The caller need not wait any longer: it is released, or will run out by itself.
    Released,
    /// The run is over, if there was one, and nothing is on its way any more.
    Ended,
}
