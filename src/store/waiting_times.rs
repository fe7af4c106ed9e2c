//! How long a command waits: to be sent, and from then on for its answer.

use std::time::Duration;

use tokio::time::Instant;

use crate::election::Request;
use crate::election::run::RunRequest;

/// The times of a command. It is told what the time is.
#[derive(Clone)]
pub(super) struct WaitingTimes {
    /// How long it may wait to be sent.
    pub to_be_sent: Duration,
    /// How long its answer may take once it was sent, as its caller knows it.
    pub bound: Duration,
    asked_at: Instant,
    /// When it is answered at the latest, as far as is known now: until it is sent, as long as it may wait for that.
    deadline: Instant,
    /// The same, while it was not sent because there is no connection.
    connected_by: Instant,
    /// When it is answered at the very latest.
    end: Instant,
    /// Its answer may be late until the end, where others are answered meanwhile.
    may_be_late: bool,
    /// How long it was not sent.
    waited: Duration,
}

impl WaitingTimes {
    /// Of a command about the record of an election.
    pub fn of_election(request: &Request, now: Instant) -> Self {
        WaitingTimes {
            to_be_sent: request.patience,
            bound: request.bound,
            asked_at: now,
            deadline: now + in_time(request.patience),
            connected_by: now + in_time(request.bound),
            end: now + in_time(request.patience),
            may_be_late: true,
            waited: Duration::ZERO,
        }
    }

    pub fn of_run(request: &RunRequest, now: Instant) -> Self {
        let to_be_sent = request.to_be_sent();
        let sent_by = now + in_time(to_be_sent);
        WaitingTimes {
            to_be_sent,
            bound: request.bound,
            asked_at: now,
            deadline: sent_by,
            connected_by: sent_by,
            end: now + in_time(request.patience),
            may_be_late: false,
            waited: Duration::ZERO,
        }
    }

    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Until when it may wait to be sent.
    pub fn sent_by(&self, connected: bool) -> Instant {
        match connected {
            true => self.deadline,
            false => self.deadline.min(self.connected_by),
        }
    }

    /// The bound of its answer, less what it takes to tell the caller.
    pub fn patience(&self) -> Duration {
        in_time(self.bound)
    }

    /// It is sent now: its answer is to come within its patience.
    pub fn note_sent(&mut self, now: Instant) {
        self.deadline = self.end.min(now + self.patience());
        self.waited = now.saturating_duration_since(self.asked_at);
    }

    /// How long it was not sent.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Until when its answer may be late, where others are answered meanwhile.
    pub fn latest(&self) -> Instant {
        match self.may_be_late {
            true => self.end,
            false => self.deadline,
        }
    }

    pub fn wait_until(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }
}

/// How long the connection's task waits where its caller waits for so long: the answer is to be there before
/// the caller's time is over.
fn in_time(wait: Duration) -> Duration {
    wait - MARGIN.min(wait / 10)
}

const MARGIN: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests;
