use std::collections::BTreeSet;
use std::sync::Arc;

use super::clock::LocalClock;
use super::queue::{Address, Delivery};
use crate::election::{Config, Election, Identity, Request, Time, Token, Version};

/// One process: the real machine, a clock, a connection, and what its users believe.
pub struct Candidate {
    pub address: Address,
    /// The name of its server.
    pub name: Arc<str>,
    pub alive: bool,
    /// Removed for good.
    pub departed: bool,
    pub config: Config,
    pub election: Election,
    pub clock: LocalClock,
    pub link: Link,
    /// Requests without an answer yet.
    pub pending: Vec<Envelope>,
    pub frozen: bool,
    /// Its event loop hangs: no user of it runs.
    pub hung: bool,
    /// What arrived while it was frozen.
    pub inbox: Vec<Delivery>,
    pub timer: Option<Time>,
    pub timer_generation: u64,
    /// What `isHeld` reads.
    pub held: Option<Held>,
    /// A user has been told that the lease is not held any more; the machine has not been.
    pub looked: bool,
    pub user: User,
    pub identities: BTreeSet<Identity>,
    pub stands: Option<Stands>,
    /// When the last forged message came.
    pub deceived_at: Option<u64>,
}

/// A request on its way, as the network knows it.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub from: Address,
    pub connection: u32,
    pub request: Request,
    /// When the candidate's clock says it was really sent, whatever the request says.
    pub sent: Time,
}

/// A candidate's connection, and the server that it goes to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    pub connection: u32,
    pub node: usize,
    /// Nothing overtakes what went before on one connection.
    pub last_arrival: u64,
    pub last_reply: u64,
    pub used: bool,
    pub subscribed: bool,
    /// Until then, this connection carries nothing.
    pub cut_until: u64,
    /// Until then, subscribing is refused.
    pub no_messages_until: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub token: Token,
    pub step_down_at: Time,
}

/// What the users of one candidate have asked for and been told.
#[derive(Clone, Copy, Debug, Default)]
pub struct User {
    /// A campaign was asked for and has not ended.
    pub campaigning: bool,
    /// `resign` was called and `Ended` has not come.
    pub resigning: bool,
    pub answers_due: u32,
    pub listening: bool,
}

/// Since when a candidate has been standing, and what it has seen.
#[derive(Clone, Debug, Default)]
pub struct Stands {
    pub since: u64,
    pub sight: Option<Version>,
}

impl Candidate {
    pub fn is_held(&self, at: u64) -> bool {
        let now = self.clock.local(at);
        self.alive && self.held.is_some_and(|held| now < held.step_down_at)
    }

    /// Neither the process nor its event loop stands still.
    pub fn users_run(&self) -> bool {
        self.alive && !self.frozen && !self.hung
    }

    /// It wants the lease and can act.
    pub fn wants(&self) -> bool {
        let user = &self.user;
        self.users_run()
            && user.campaigning
            && !user.resigning
            && (user.listening || user.answers_due > 0)
            && self.held.is_none()
    }
}
