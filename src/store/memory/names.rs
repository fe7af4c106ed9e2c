use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::journal::Journal;
use super::{Register, RunRegister};
use crate::election::{Message, Record, Token};

/// What a store in memory keeps under its names, for as long as that means anything.
///
/// An election is forgotten when nobody listens to it and nobody holds it, a resource when its lease
/// and its ticks have expired, and what a fence has seen of either together with it: by then nobody
/// holds a lease that could show an older token. Every so many operations those are looked for, as many as there
/// are names, so that an operation costs no more for it.
#[derive(Default)]
pub struct Names {
    elections: HashMap<Arc<str>, Contest>,
    resources: HashMap<Arc<str>, Resource>,
    /// The highest token that a resource has seen, by its name and that of the lease.
    fences: HashMap<(Arc<str>, Arc<str>), Token>,
    /// Operations since the last look.
    operations: usize,
}

#[derive(Default)]
pub struct Contest {
    pub register: Register,
    pub subscribers: Vec<mpsc::UnboundedSender<Message>>,
    /// The last write and the last grant, in microseconds since 1970.
    pub at: u64,
    pub since: u64,
    pub journal: Journal,
    /// Of the last grant.
    token: Token,
    /// When a holder that has not written since is gone, in microseconds since 1970.
    held_until: u64,
}

#[derive(Default)]
pub struct Resource {
    pub register: RunRegister,
    pub waiting: Vec<mpsc::UnboundedSender<Duration>>,
}

impl Names {
    pub fn election(&mut self, name: &Arc<str>) -> &mut Contest {
        self.elections.entry(name.clone()).or_default()
    }

    /// One that somebody takes part in.
    pub fn known(&self, name: &str) -> Option<&Contest> {
        self.elections.get(name)
    }

    pub fn resource(&mut self, name: &str) -> &mut Resource {
        self.resources.entry(name.into()).or_default()
    }

    pub fn highest(&mut self, resource: &Arc<str>, lease: &Arc<str>) -> &mut Token {
        let name = (resource.clone(), lease.clone());
        self.fences.entry(name).or_insert(Token::NONE)
    }

    /// The highest token of all elections that were forgotten in this process. New ones are above it, so
    /// that they rise over what was forgotten too.
    pub fn forgotten(&self) -> Token {
        Token::new(FORGOTTEN.load(Ordering::Acquire))
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn len(&self) -> usize {
        self.elections.len() + self.resources.len() + self.fences.len()
    }

    /// Forgets what nobody uses, now and then.
    pub fn tidy(&mut self, now: u64) {
        self.operations += 1;
        if self.operations > self.len().max(SELDOM) {
            self.forget(now);
        }
    }

    pub fn forget(&mut self, now: u64) {
        self.operations = 0;
        self.elections.retain(|_, contest| contest.is_used(now));
        self.resources.retain(|_, resource| resource.is_used(now));
        self.fences.retain(|(_, lease), _| {
            let election = lease.strip_prefix("primary:");
            let run = lease.strip_prefix("lease:");
            election.is_some_and(|name| self.elections.contains_key(name))
                || run.is_some_and(|name| self.resources.contains_key(name))
        });
        self.elections.shrink_to(2 * self.elections.len());
        self.resources.shrink_to(2 * self.resources.len());
        self.fences.shrink_to(2 * self.fences.len());
    }
}

impl Contest {
    /// The record was written. Its holder renews it several times in a ttl.
    pub fn written(&mut self, now: u64, record: &Record) {
        let ttl = u64::try_from(record.ttl.as_micros()).unwrap_or(u64::MAX / 4);
        self.held_until = match record.released {
            true => 0,
            false => now.saturating_add(2 * ttl),
        };
        self.at = now;
        if self.token != record.token {
            self.since = now;
        }
        self.token = record.token;
    }

    fn is_used(&mut self, now: u64) -> bool {
        self.subscribers
            .retain(|subscriber| !subscriber.is_closed());
        let used = !self.subscribers.is_empty() || now < self.held_until;
        if !used {
            FORGOTTEN.fetch_max(self.token.get(), Ordering::AcqRel);
        }
        used
    }
}

impl Resource {
    fn is_used(&mut self, now: u64) -> bool {
        self.waiting.retain(|waiting| !waiting.is_closed());
        !self.waiting.is_empty() || !self.register.is_empty(now)
    }
}

static FORGOTTEN: AtomicU64 = AtomicU64::new(0);

/// Fewer names than these are nothing to look after.
const SELDOM: usize = 64;
