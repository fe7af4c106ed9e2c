use std::sync::Arc;
use std::time::Duration;

use super::command::{Asked, Played};
use super::plan::Crowd;
use crate::election::run::{RunConfig, RunLease, RunOutcome, RunOutput};
use crate::election::{Config, Election, Event, Failure, Output, Random, Reply, Time};
use crate::store::memory::{Register, RunRegister, Server};
use crate::store::waiting_line::Waits;

/// Who asks: an election or a run, and what the store keeps of it.
pub enum Owner {
    Election {
        election: Box<Election>,
        register: Register,
    },
    Run {
        lease: Box<RunLease>,
        register: RunRegister,
        asked_at: Time,
        acquire_timeout: Duration,
        /// How long it works.
        works: Duration,
        ends_at: Option<Time>,
        answered: bool,
        fits: bool,
    },
}

/// What the store answers.
#[derive(Clone)]
pub enum Answered {
    Election(Reply),
    Run(RunOutcome),
}

/// What happened to somebody, as far as it is counted or judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Granted,
    Refused,
    Renewed,
    Lost,
}

impl Owner {
    pub fn election(ttl: Duration, random: Random) -> Owner {
        let mut config = Config::new(ttl);
        config.eager_start = true;
        Owner::Election {
            election: Box::new(Election::new(config, random)),
            register: Register::default(),
        }
    }

    pub fn run(crowd: &Crowd, number: usize, now: Time, random: Random) -> Owner {
        let mut config = RunConfig::new(crowd.ttl);
        config.acquire_timeout = crowd.acquire_timeout;
        let works = match number % crowd.long {
            1 => crowd.ttl * 2,
            _ => Duration::ZERO,
        };
        Owner::Run {
            lease: Box::new(RunLease::new(config, random)),
            register: RunRegister::default(),
            asked_at: now,
            acquire_timeout: crowd.acquire_timeout,
            works,
            ends_at: None,
            answered: false,
            fits: crowd.fits,
        }
    }

    pub fn begin(&mut self, now: Time) {
        match self {
            Owner::Election { election, .. } => {
                election.campaign(now);
                election.listen(now, true);
            }
            Owner::Run { lease, .. } => lease.acquire(now),
        }
    }

    /// By when a run is served or refused, come what may.
    pub fn answered_by(&self) -> Option<Time> {
        match self {
            Owner::Election { .. } => None,
            Owner::Run {
                asked_at,
                acquire_timeout,
                ..
            } => Some(*asked_at + *acquire_timeout),
        }
    }

    pub fn is_answered(&self) -> bool {
        !matches!(
            self,
            Owner::Run {
                answered: false,
                ..
            }
        )
    }

    /// It is one of a crowd that the store can serve.
    pub fn fits(&self) -> bool {
        matches!(self, Owner::Run { fits: true, .. })
    }

    pub fn wakes_at(&self) -> Option<Time> {
        match self {
            Owner::Election { election, .. } => election.poll_timeout(),
            Owner::Run { lease, ends_at, .. } => {
                lease.poll_timeout().into_iter().chain(*ends_at).min()
            }
        }
    }

    pub fn wake(&mut self, now: Time) {
        match self {
            Owner::Election { election, .. } => election.handle_timeout(now),
            Owner::Run { lease, ends_at, .. } => {
                lease.handle_timeout(now);
                if ends_at.take_if(|at| *at <= now).is_some() {
                    lease.release(now);
                }
            }
        }
    }

    /// What the store does with a command.
    pub fn apply(&mut self, command: &Played, server: &Server, caller: &Arc<str>) -> Answered {
        match (self, &command.what) {
            (Owner::Election { register, .. }, Asked::Election(request)) => {
                let applied = register.apply(server, caller, &request.command);
                Answered::Election(applied.unwrap().reply)
            }
            (Owner::Run { register, .. }, Asked::Run(request)) => {
                Answered::Run(register.apply(server.wall_micros, &request.command).outcome)
            }
            _ => unreachable!("a command has its owner's kind"),
        }
    }

    pub fn hear(&mut self, now: Time, command: Played, answer: Result<Answered, Failure>) {
        let waited = command.times().waited();
        match (self, command.what) {
            (Owner::Election { election, .. }, Asked::Election(request)) => {
                let reply = answer.map(|answer| match answer {
                    Answered::Election(reply) => reply,
                    Answered::Run(_) => unreachable!("an answer has its command's kind"),
                });
                election.handle_reply(now, request, reply);
            }
            (Owner::Run { lease, .. }, Asked::Run(request)) => {
                let outcome = answer.map(|answer| match answer {
                    Answered::Run(RunOutcome::Granted { token, .. }) => {
                        RunOutcome::Granted { token, waited }
                    }
                    Answered::Run(outcome) => outcome,
                    Answered::Election(_) => unreachable!("an answer has its command's kind"),
                });
                lease.handle_reply(now, request, outcome);
            }
            _ => unreachable!("a command has its owner's kind"),
        }
    }

    /// What it asks next, and what it was told by then.
    pub fn outputs(&mut self, now: Time) -> (Vec<Asked>, Vec<Told>) {
        let (mut asked, mut told) = (Vec::new(), Vec::new());
        match self {
            Owner::Election { election, .. } => {
                while let Some(output) = election.poll_output() {
                    match output {
                        Output::Send(request) => asked.push(Asked::Election(request)),
                        Output::Event(Event::Lost { .. }) => told.push(Told::Lost),
                        Output::Extended { .. } => told.push(Told::Renewed),
                        _ => {}
                    }
                }
            }
            Owner::Run {
                lease,
                works,
                ends_at,
                answered,
                ..
            } => {
                while let Some(output) = lease.poll_output() {
                    match output {
                        RunOutput::Send(request) => asked.push(Asked::Run(request)),
                        RunOutput::Granted(_) => {
                            *answered = true;
                            told.push(Told::Granted);
                            lease.begin(now);
                            *ends_at = Some(now + *works);
                        }
                        RunOutput::Refused(_) => {
                            *answered = true;
                            told.push(Told::Refused);
                        }
                        RunOutput::Lost(_) => told.push(Told::Lost),
                        RunOutput::Extended { .. } => told.push(Told::Renewed),
                        _ => {}
                    }
                }
            }
        }
        (asked, told)
    }
}
