use std::time::Duration;

use tokio::time::Instant;

use crate::election::run::RunRequest;
use crate::election::{Identity, Request};
use crate::store::ask::patience;
use crate::store::waiting_line::{Rank, Waits};

/// A command of an election or a run, by their number.
#[derive(Clone)]
pub struct Played {
    pub owner: usize,
    pub what: Asked,
    asked_at: Instant,
    bound: Duration,
    deadline: Instant,
    connected_by: Instant,
    end: Instant,
    /// How long it was not sent.
    pub waited: Duration,
}

#[derive(Clone)]
pub enum Asked {
    Election(Request),
    Run(RunRequest),
}

impl Played {
    pub fn new(owner: usize, what: Asked, now: Instant) -> Self {
        let (to_be_sent, unconnected, bound, longest) = match &what {
            Asked::Election(request) => {
                let Request {
                    bound, patience, ..
                } = *request;
                (patience, bound, bound, patience)
            }
            Asked::Run(request) => {
                let to_be_sent = request.to_be_sent();
                (to_be_sent, to_be_sent, request.bound, request.patience)
            }
        };
        Played {
            owner,
            what,
            asked_at: now,
            bound,
            deadline: now + patience(to_be_sent),
            connected_by: now + patience(unconnected),
            end: now + patience(longest),
            waited: Duration::ZERO,
        }
    }
}

impl Waits for Played {
    fn identity(&self) -> Option<Identity> {
        match &self.what {
            Asked::Election(_) => None,
            Asked::Run(request) => Some(request.command.identity()),
        }
    }

    fn rank(&self) -> Rank {
        match &self.what {
            Asked::Election(_) => Rank::Pressing,
            Asked::Run(request) => Rank::of_run(&request.command),
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

    fn connected_by(&self) -> Instant {
        self.connected_by
    }

    fn latest(&self) -> Instant {
        match &self.what {
            Asked::Election(_) => self.end,
            Asked::Run(_) => self.deadline,
        }
    }

    fn wait_until(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    fn note_sent(&mut self, now: Instant) {
        self.deadline = self.end.min(now + self.patience());
        self.waited = now - self.asked_at;
    }
}
