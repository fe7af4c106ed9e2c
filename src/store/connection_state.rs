use std::future::pending;

use tokio::time::{Instant, sleep_until};

use super::connection::{Connection, Unopened};
use super::opening::{CutShort, Opening};
use super::wire::{Said, Wire};

/// Where an engine is with its connection.
pub(super) enum ConnectionState {
    /// Nobody needs one.
    Unused,
    /// Until the next attempt.
    Pausing(Instant),
    Opening(Opening),
    Open(Box<Wire>),
}

/// What happens on the connection.
pub(super) enum ConnectionEvent {
    PauseOver,
    Opened(Connection),
    NotOpened(Unopened),
    CutShort(CutShort),
    Said(Said),
}

impl ConnectionState {
    /// The next thing that happens. Dropping the future loses nothing.
    pub async fn next(&mut self) -> ConnectionEvent {
        match self {
            ConnectionState::Unused => pending().await,
            ConnectionState::Pausing(until) => {
                sleep_until(*until).await;
                ConnectionEvent::PauseOver
            }
            ConnectionState::Opening(opening) => match opening.next().await {
                Ok(Ok(connection)) => ConnectionEvent::Opened(connection),
                Ok(Err(unopened)) => ConnectionEvent::NotOpened(unopened),
                Err(cut) => ConnectionEvent::CutShort(cut),
            },
            ConnectionState::Open(wire) => ConnectionEvent::Said(wire.next().await),
        }
    }

    /// The connection, where it is open.
    pub fn wire(&self) -> Option<&Wire> {
        match self {
            ConnectionState::Open(wire) => Some(wire),
            _ => None,
        }
    }

    pub fn wire_mut(&mut self) -> Option<&mut Wire> {
        match self {
            ConnectionState::Open(wire) => Some(wire),
            _ => None,
        }
    }
}
