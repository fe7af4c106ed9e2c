use std::time::Duration;

use crate::election::{MOST_RANKS, Rank, Ranks};

/// Which ranks stand by, and when each was last seen, in ms of the server's clock: the field `ranks`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct StandingRanks {
    /// The highest first, each once.
    sights: Vec<(Rank, u64)>,
    /// The same without the times, as replies and messages show it.
    ranks: Ranks,
}

impl StandingRanks {
    pub fn ranks(&self) -> Ranks {
        self.ranks.clone()
    }

    /// Enters one who stands, and drops those that nobody has entered for a ttl.
    pub fn sign(&mut self, rank: &Rank, wall_micros: u64, ttl: Duration) {
        let now = wall_micros / 1_000;
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let age = |seen: u64| now.checked_sub(seen);
        let mut sights = self.sights.clone();
        sights.retain(|(_, seen)| age(*seen).is_some_and(|age| age <= ttl));
        let fresh = |known: &&(Rank, u64)| known.0 == *rank && age(known.1) < Some(ttl / 4);
        if !sights.iter().any(|known| fresh(&known)) {
            sights.retain(|(known, _)| known != rank);
            sights.push((rank.clone(), now));
            sights.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
            sights.truncate(MOST_RANKS);
        }
        self.put(sights);
    }

    /// Whatever somebody writes there.
    pub fn put(&mut self, sights: Vec<(Rank, u64)>) {
        self.ranks = sights.iter().map(|(rank, _)| rank.clone()).collect();
        self.sights = sights;
    }
}
