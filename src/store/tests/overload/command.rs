use tokio::time::Instant;

use crate::election::run::RunRequest;
use crate::election::{Identity, Request};
use crate::store::waiting_line::{Turn, Waits};
use crate::store::waiting_times::WaitingTimes;

/// A command of an election or a run, by their number.
#[derive(Clone)]
pub struct Played {
    pub owner: usize,
    pub what: Asked,
    times: WaitingTimes,
}

#[derive(Clone)]
pub enum Asked {
    Election(Request),
    Run(RunRequest),
}

impl Played {
    pub fn new(owner: usize, what: Asked, now: Instant) -> Self {
        let times = match &what {
            Asked::Election(request) => WaitingTimes::of_election(request, now),
            Asked::Run(request) => WaitingTimes::of_run(request, now),
        };
        Played { owner, what, times }
    }
}

impl Waits for Played {
    fn identity(&self) -> Option<Identity> {
        match &self.what {
            Asked::Election(_) => None,
            Asked::Run(request) => Some(request.command.identity()),
        }
    }

    fn rank(&self) -> Turn {
        match &self.what {
            Asked::Election(_) => Turn::Pressing,
            Asked::Run(request) => Turn::of_run(&request.command),
        }
    }

    fn times(&self) -> &WaitingTimes {
        &self.times
    }

    fn times_mut(&mut self) -> &mut WaitingTimes {
        &mut self.times
    }
}
