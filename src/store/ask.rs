use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::reply::decode_reply;
use super::run;
use super::script::Invocation;
use super::waiting_line::{Rank, Waits};
use crate::election::run::{RunCommand, RunOutcome};
use crate::election::{Failure, Identity, Reply};

/// A command that waits for its answer.
pub(super) struct Ask {
    pub invocation: Invocation,
    /// Of the lease that it is about: what bounds connecting while it waits.
    pub ttl: Duration,
    /// How long it may wait to be sent.
    pub to_be_sent: Duration,
    /// How long its answer may take once it was sent.
    pub bound: Duration,
    pub asked_at: Instant,
    /// When it is answered at the latest: until it is sent, as long as it may wait for that.
    pub deadline: Instant,
    /// When it is answered at the very latest.
    pub end: Instant,
    pub asker: Asker,
}

/// Who waits for the answer, and what makes one of it.
pub(super) enum Asker {
    Election {
        /// The changes channel of the same election.
        channel: Arc<str>,
        sender: oneshot::Sender<Result<Reply, Failure>>,
    },
    Run {
        command: RunCommand,
        /// How long it was not sent.
        waited: Duration,
        sender: oneshot::Sender<Result<RunOutcome, Failure>>,
    },
}

impl Waits for Ask {
    fn identity(&self) -> Option<Identity> {
        match &self.asker {
            Asker::Election { .. } => None,
            Asker::Run { command, .. } => Some(command.identity()),
        }
    }

    fn rank(&self) -> Rank {
        match &self.asker {
            Asker::Election { .. } => Rank::Pressing,
            Asker::Run { command, .. } => Rank::of_run(command),
        }
    }

    fn bound(&self) -> Duration {
        self.bound
    }

    fn patience(&self) -> Duration {
        patience(self.bound)
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn note_sent(&mut self, now: Instant) {
        self.deadline = self.end.min(now + self.patience());
        if let Asker::Run { waited, .. } = &mut self.asker {
            *waited = now.saturating_duration_since(self.asked_at);
        }
    }
}

/// How long the connection's task waits where its caller waits for so long: the answer is to be there before
/// the caller's time is over.
pub(super) fn patience(wait: Duration) -> Duration {
    wait - MARGIN.min(wait / 10)
}

const MARGIN: Duration = Duration::from_millis(5);

impl Ask {
    /// Hands over what the server answered. Gives back the failure where that was not an answer at all.
    pub fn answer(self, value: &Value, subscribed: impl FnOnce(&str) -> bool) -> Option<Failure> {
        let key = self.invocation.key();
        // The caller may have stopped waiting.
        match self.asker {
            Asker::Election { channel, sender } => {
                let answer = decode_reply(value, subscribed(&channel));
                let odd = odd(&answer);
                let _ = sender.send(answer);
                odd
            }
            Asker::Run {
                command,
                waited,
                sender,
            } => {
                let key = String::from_utf8_lossy(key);
                let answer = run::decode_outcome(&key, &command, waited, value);
                let odd = odd(&answer);
                let _ = sender.send(answer);
                odd
            }
        }
    }

    pub fn fail(self, failure: Failure) {
        match self.asker {
            Asker::Election { sender, .. } => drop(sender.send(Err(failure))),
            Asker::Run { sender, .. } => drop(sender.send(Err(failure))),
        }
    }
}

fn odd<T>(answer: &Result<T, Failure>) -> Option<Failure> {
    match answer {
        Err(failure @ Failure::Unknown { .. }) => Some(failure.clone()),
        _ => None,
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("invocation", &self.invocation)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
