use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::reply::decode_reply;
use super::run;
use super::script::Invocation;
use crate::election::run::{RunCommand, RunOutcome};
use crate::election::{Failure, Identity, Reply};

/// A command that waits for its answer.
pub(super) struct Ask {
    pub invocation: Invocation,
    /// Of the lease that it is about: what bounds connecting while it waits.
    pub ttl: Duration,
    pub bound: Duration,
    pub asked_at: Instant,
    /// When it is answered at the latest.
    pub deadline: Instant,
    pub asker: Asker,
}

/// What an answer tells of the server.
pub(super) struct Answered {
    /// It was not an answer at all.
    pub odd: Option<Failure>,
    /// The server does not tell its incarnation.
    pub untold: bool,
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
        sender: oneshot::Sender<Result<RunOutcome, Failure>>,
    },
}

impl Ask {
    /// The run that it is about.
    pub fn identity(&self) -> Option<Identity> {
        match &self.asker {
            Asker::Election { .. } => None,
            Asker::Run { command, .. } => Some(match command {
                RunCommand::Acquire { identity, .. }
                | RunCommand::Begin { identity, .. }
                | RunCommand::Renew { identity, .. }
                | RunCommand::Release { identity, .. }
                | RunCommand::Withdraw { identity, .. } => *identity,
            }),
        }
    }

    /// It asks for the lease of a run that has none yet.
    pub fn is_new_run(&self) -> bool {
        matches!(
            &self.asker,
            Asker::Run {
                command: RunCommand::Acquire { .. },
                ..
            }
        )
    }

    /// Hands over what the server answered, and says what that tells of the server.
    pub fn answer(self, value: &Value, subscribed: impl FnOnce(&str) -> bool) -> Answered {
        let key = self.invocation.key();
        // The caller may have stopped waiting.
        match self.asker {
            Asker::Election { channel, sender } => {
                let answer = decode_reply(value, subscribed(&channel));
                let record = answer.as_ref().ok().and_then(|reply| reply.record.as_ref());
                let answered = Answered {
                    odd: odd(&answer),
                    untold: record.is_some_and(|record| record.version.is_untold()),
                };
                let _ = sender.send(answer);
                answered
            }
            Asker::Run { command, sender } => {
                let answer = run::decode_outcome(&String::from_utf8_lossy(key), &command, value);
                let odd = odd(&answer);
                let _ = sender.send(answer);
                Answered { odd, untold: false }
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
