use std::fmt;
use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::keys::{Keys, RunKeys};
use super::outgoing::Outgoing;
use super::reply::decode_reply;
use super::script::{Invocation, Script};
use super::waiting_line::{Turn, Waits};
use super::waiting_times::WaitingTimes;
use super::words::told;
use super::{Answers, RedisSource, RunAnswers, Target, run};
use crate::election::run::{RunCommand, RunOutcome, RunRequest};
use crate::election::{Command, Failure, Identity, Reply, Request};

/// A command that waits for its answer.
pub(super) struct Ask {
    pub what: Asked,
    /// Of the lease that it is about: what bounds connecting while it waits.
    pub ttl: Duration,
    pub times: WaitingTimes,
}

/// What an answer tells of the server.
pub(super) struct Answered {
    /// It was not an answer at all.
    pub odd: Option<Failure>,
    /// The server does not tell its incarnation.
    pub untold: bool,
}

/// What is asked, and who waits for the answer. It is written where it is sent, and nowhere before.
pub(super) enum Asked {
    Election(AskedElection),
    Run(AskedRun),
}

/// A command about the record of an election.
pub(super) struct AskedElection {
    pub source: Arc<RedisSource>,
    pub target: Target,
    pub campaign: u64,
    pub answers: Arc<dyn Answers>,
    /// `None` once it is answered.
    request: Option<Request>,
}

impl AskedElection {
    pub fn new(
        source: Arc<RedisSource>,
        target: Target,
        campaign: u64,
        request: Request,
        answers: Arc<dyn Answers>,
    ) -> Self {
        AskedElection {
            source,
            target,
            campaign,
            answers,
            request: Some(request),
        }
    }

    fn command(&self) -> Option<&Command> {
        self.request.as_ref().map(|request| &request.command)
    }

    fn keys(&self) -> Keys<'_> {
        Keys::new(self.source.place(), &self.target.name)
    }

    fn answer(&mut self, answer: Result<Reply, Failure>) {
        if let Some(request) = self.request.take() {
            // Whatever a failure is made of, it is fit to be shown from here on.
            let answer = answer.map_err(|failure| told(failure, &self.source));
            self.answers.answer(self.campaign, request, answer);
        }
    }
}

impl Drop for AskedElection {
    fn drop(&mut self) {
        // Nearly always it is answered, and the cause would be written for nobody.
        if self.request.is_some() {
            self.answer(Err(closed()));
        }
    }
}

/// A command of a run.
pub(super) struct AskedRun {
    pub source: Arc<RedisSource>,
    pub resource: Arc<str>,
    pub run: u64,
    pub answers: Arc<dyn RunAnswers>,
    /// `None` once it is answered.
    request: Option<RunRequest>,
}

impl AskedRun {
    pub fn new(
        source: Arc<RedisSource>,
        resource: Arc<str>,
        run: u64,
        request: RunRequest,
        answers: Arc<dyn RunAnswers>,
    ) -> Self {
        AskedRun {
            source,
            resource,
            run,
            answers,
            request: Some(request),
        }
    }

    fn command(&self) -> Option<&RunCommand> {
        self.request.as_ref().map(|request| &request.command)
    }

    fn keys(&self) -> RunKeys<'_> {
        RunKeys::new(self.source.place(), &self.resource)
    }

    fn answer(&mut self, answer: Result<RunOutcome, Failure>) {
        if let Some(request) = self.request.take() {
            // Whatever a failure is made of, it is fit to be shown from here on.
            let answer = answer.map_err(|failure| told(failure, &self.source));
            self.answers.answer(self.run, request, answer);
        }
    }
}

impl Drop for AskedRun {
    fn drop(&mut self) {
        // Nearly always it is answered, and the cause would be written for nobody.
        if self.request.is_some() {
            self.answer(Err(closed()));
        }
    }
}

fn closed() -> Failure {
    let cause = "the store was closed".into();
    Failure::Unknown { cause }
}

/// What a run is told of a request when that was written to the socket.
pub(super) struct SentNote {
    run: u64,
    id: u64,
    answers: Arc<dyn RunAnswers>,
}

impl SentNote {
    pub fn tell(self) {
        self.answers.sent(self.run, self.id);
    }
}

impl Waits for Ask {
    fn identity(&self) -> Option<Identity> {
        match &self.what {
            Asked::Election(_) => None,
            Asked::Run(asked) => asked.command().map(RunCommand::identity),
        }
    }

    fn rank(&self) -> Turn {
        match &self.what {
            Asked::Election(_) => Turn::Pressing,
            Asked::Run(asked) => asked.command().map_or(Turn::New, Turn::of_run),
        }
    }

    fn times(&self) -> &WaitingTimes {
        &self.times
    }

    fn times_mut(&mut self) -> &mut WaitingTimes {
        &mut self.times
    }
}

impl Ask {
    /// Who is to be told when it was written to the socket.
    pub fn told_when_sent(&self) -> Option<SentNote> {
        let Asked::Run(asked) = &self.what else {
            return None;
        };
        let request = asked.request.as_ref().filter(|request| request.tell_sent)?;
        Some(SentNote {
            run: asked.run,
            id: request.id,
            answers: asked.answers.clone(),
        })
    }

    /// `None` for what has been answered.
    pub fn script(&self) -> Option<&'static Script> {
        match &self.what {
            Asked::Election(asked) => asked.command().map(Invocation::script_of),
            Asked::Run(asked) => asked.command().map(run::script),
        }
    }

    /// Whether both are about the same record or lease.
    pub fn shares_key(&self, other: &Ask) -> bool {
        match (&self.what, &other.what) {
            (Asked::Election(asked), Asked::Election(others)) => {
                asked.target.name == others.target.name
            }
            (Asked::Run(asked), Asked::Run(others)) => asked.resource == others.resource,
            _ => false,
        }
    }

    /// Writes the call of its script, named by its hash or by its text; `spare` is memory to write in.
    pub fn put(&self, by_hash: bool, outgoing: &mut Outgoing, spare: &mut Vec<u8>) {
        match &self.what {
            Asked::Election(asked) => {
                if let Some(command) = asked.command() {
                    let untold = asked.source.failover_unsafe;
                    let memory = take(spare);
                    let invocation = Invocation::of_election(
                        memory,
                        asked.keys(),
                        &asked.target,
                        untold,
                        command,
                    );
                    invocation.put_into(outgoing, by_hash);
                    *spare = invocation.into_memory();
                }
            }
            Asked::Run(asked) => {
                if let Some(command) = asked.command() {
                    let invocation = run::invocation(asked.keys(), command, take(spare));
                    invocation.put_into(outgoing, by_hash);
                    *spare = invocation.into_memory();
                }
            }
        }
    }

    /// Hands over what the server answered, and says what that tells of the server.
    pub fn answer(self, value: &Value, subscribed: impl FnOnce(&str) -> bool) -> Answered {
        match self.what {
            Asked::Election(mut asked) => {
                let answer =
                    decode_reply(value, || subscribed(&asked.keys().changes().to_string()));
                let record = answer.as_ref().ok().and_then(|reply| reply.record.as_ref());
                let answered = Answered {
                    odd: odd(&answer),
                    untold: record.is_some_and(|record| record.version.is_untold()),
                };
                asked.answer(answer);
                answered
            }
            Asked::Run(mut asked) => {
                let Some(command) = asked.command() else {
                    return Answered {
                        odd: None,
                        untold: false,
                    };
                };
                let answer =
                    run::decode_outcome(asked.keys().lease(), command, self.times.waited(), value);
                let odd = odd(&answer);
                asked.answer(answer);
                Answered { odd, untold: false }
            }
        }
    }

    pub fn fail(self, failure: Failure) {
        match self.what {
            Asked::Election(mut asked) => asked.answer(Err(failure)),
            Asked::Run(mut asked) => asked.answer(Err(failure)),
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
        let mut shown = f.debug_struct("Ask");
        match &self.what {
            Asked::Election(asked) => shown.field("command", &asked.command()),
            Asked::Run(asked) => shown.field("command", &asked.command()),
        };
        shown
            .field("deadline", &self.times.deadline())
            .finish_non_exhaustive()
    }
}
