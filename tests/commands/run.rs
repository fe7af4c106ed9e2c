//! What the tests of run leases ask of stores.

use std::time::Duration;

use primary_lease::election::run::{RunCommand, RunRequest, Tick};
use primary_lease::election::{Identity, Time, Token};

use super::{PATIENCE, TTL};

pub fn request(command: RunCommand) -> RunRequest {
    RunRequest {
        id: 1,
        sent_at: Time::ZERO,
        bound: PATIENCE,
        patience: PATIENCE,
        command,
        tell_sent: false,
    }
}

pub fn tick(at: i64) -> Option<Tick> {
    let memory = Duration::from_secs(3600);
    Some(Tick::at(at, memory))
}

pub fn acquire(identity: Identity) -> RunCommand {
    acquire_with(identity, TTL, None)
}

pub fn acquire_with(identity: Identity, ttl: Duration, tick: Option<Tick>) -> RunCommand {
    RunCommand::Acquire {
        identity,
        ttl,
        tick,
    }
}

pub fn begin(identity: Identity, token: Token) -> RunCommand {
    RunCommand::Begin { identity, token }
}

pub fn renew(identity: Identity, token: Token) -> RunCommand {
    RunCommand::Renew {
        identity,
        token,
        ttl: TTL * 2,
    }
}

pub fn release(identity: Identity, token: Token, min_hold: Duration) -> RunCommand {
    RunCommand::Release {
        identity,
        token,
        min_hold,
    }
}

pub fn withdraw(identity: Identity, tick: Option<Tick>) -> RunCommand {
    RunCommand::Withdraw { identity, tick }
}
