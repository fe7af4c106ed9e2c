//! The commands that the tests of stores send, and how they wait for what comes of them.
#![allow(dead_code, reason = "each test crate uses its own part")]

pub mod run;

use std::time::Duration;

use primary_lease::election::{
    Command, Identity, Message, Nonce, Reason, Request, Time, Token, Version,
};
use primary_lease::store::Target;
use tokio::sync::mpsc::UnboundedReceiver;

pub const TTL: Duration = Duration::from_secs(5);
pub const MINE: Identity = Identity::new(1);
pub const OTHER: Identity = Identity::new(2);
pub const NONCE: Nonce = Nonce::new(0xe0 << 32);
/// No test waits without end for what does not come; none is that slow.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How this server stands in the roster.
pub const ENTRY: &str = "1795000000000000 0 1.2.3 server one";

pub fn target(name: &str) -> Target {
    Target {
        name: name.into(),
        server: "server one".into(),
        entry: ENTRY.into(),
    }
}

pub fn request(command: Command) -> Request {
    Request {
        id: 1,
        sent_at: Time::ZERO,
        bound: PATIENCE,
        patience: PATIENCE,
        command,
    }
}

pub fn acquire(identity: Identity) -> Command {
    Command::Acquire {
        identity,
        ttl: TTL,
        floor: Token::NONE,
        watched: None,
        eager: None,
        rank: Default::default(),
        signs: false,
        nonce: NONCE,
    }
}

/// Takes the record over, if this is still its version.
pub fn over(identity: Identity, version: &Version) -> Command {
    with_floor(identity, version, 0)
}

pub fn with_floor(identity: Identity, version: &Version, above: u64) -> Command {
    Command::Acquire {
        identity,
        ttl: TTL,
        floor: Token::new(above),
        watched: Some(version.clone()),
        eager: None,
        rank: Default::default(),
        signs: false,
        nonce: NONCE,
    }
}

pub fn renew(identity: Identity, token: Token, over: Option<&Version>) -> Command {
    Command::Renew {
        identity,
        token,
        ttl: TTL,
        over: over.cloned(),
        nonce: NONCE,
    }
}

/// Asks, and enters the roster with this rank where it is refused.
pub fn signing(identity: Identity, rank: &str) -> Command {
    let mut command = acquire(identity);
    if let Command::Acquire {
        rank: given, signs, ..
    } = &mut command
    {
        *given = rank.parse().unwrap();
        *signs = true;
    }
    command
}

pub fn release(identity: Identity) -> Command {
    leaving(identity, None)
}

pub fn leaving(identity: Identity, reason: Option<Reason>) -> Command {
    Command::Release {
        identity,
        listeners: 3,
        reason,
        nonce: NONCE,
    }
}

pub async fn next(messages: &mut UnboundedReceiver<Message>) -> Message {
    let waiting = tokio::time::timeout(PATIENCE, messages.recv());
    waiting
        .await
        .expect("no message came")
        .expect("the store ended")
}
