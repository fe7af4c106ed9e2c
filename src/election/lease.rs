use super::{Config, Grant, Identity, Time, Token};

/// A grant and the time in which it may be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub identity: Identity,
    pub token: Token,
    /// The send time of the latest confirmed request: what everything below is measured from.
    confirmed_from: Time,
    step_down_at: Time,
    window_end: Time,
}

impl Lease {
    pub fn new(identity: Identity, token: Token, sent_at: Time, config: &Config) -> Self {
        Lease {
            identity,
            token,
            confirmed_from: sent_at,
            step_down_at: sent_at + config.term(),
            window_end: sent_at + config.window(),
        }
    }

    /// Measures the lease from a confirmed request; false when a later one was confirmed already.
    pub fn confirm(&mut self, sent_at: Time, config: &Config) -> bool {
        let later = sent_at > self.confirmed_from;
        if later {
            *self = Lease::new(self.identity, self.token, sent_at, config);
        }
        later
    }

    pub fn confirmed_from(&self) -> Time {
        self.confirmed_from
    }

    /// From here on the lease is not held any more, whatever answer still comes.
    pub fn step_down_at(&self) -> Time {
        self.step_down_at
    }

    /// When an unconfirmed renewal is late: halfway from when it is due to the step-down deadline.
    pub fn late_at(&self, config: &Config) -> Time {
        let due = self.confirmed_from + config.renew_interval;
        due + self.step_down_at.since(due) / 2
    }

    /// Nobody else can be granted the lease before this.
    pub fn window_end(&self) -> Time {
        self.window_end
    }

    pub fn grant(&self) -> Grant {
        Grant {
            token: self.token,
            step_down_at: self.step_down_at,
        }
    }
}
