//! What the tests of scoped leases ask of stores.

use std::time::Duration;

use primary_lease::election::scoped::{ScopedCommand, ScopedRequest, Tick};
use primary_lease::election::{Identity, Time, Token};

use super::{PATIENCE, TTL};

pub fn scoped(command: ScopedCommand) -> ScopedRequest {
    ScopedRequest {
        id: 1,
        sent_at: Time::ZERO,
        bound: PATIENCE,
        command,
    }
}

pub fn tick(at: i64) -> Option<Tick> {
    let memory = Duration::from_secs(3600);
    Some(Tick::at(at, memory))
}

pub fn acquire(identity: Identity) -> ScopedCommand {
    acquire_with(identity, TTL, None)
}

pub fn acquire_with(identity: Identity, ttl: Duration, tick: Option<Tick>) -> ScopedCommand {
    ScopedCommand::Acquire {
        identity,
        ttl,
        tick,
    }
}

pub fn begin(identity: Identity, token: Token) -> ScopedCommand {
    ScopedCommand::Begin { identity, token }
}

pub fn renew(identity: Identity, token: Token) -> ScopedCommand {
    ScopedCommand::Renew {
        identity,
        token,
        ttl: TTL * 2,
        begun: true,
    }
}

pub fn release(identity: Identity, token: Token, min_hold: Duration) -> ScopedCommand {
    ScopedCommand::Release {
        identity,
        token,
        min_hold,
    }
}

pub fn withdraw(identity: Identity, tick: Option<Tick>) -> ScopedCommand {
    ScopedCommand::Withdraw { identity, tick }
}
