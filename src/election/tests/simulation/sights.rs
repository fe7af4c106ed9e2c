//! What each candidate has seen of the record, and by when it must have taken it over (R6).

use std::time::Duration;

use super::candidate::Stands;

use super::plan::micros;
use super::queue::{Address, Happening};
use super::rules::{Arithmetic, Rule};
use super::world::World;
use crate::election::state::State;
use crate::election::{Record, Version, WriteKind};

impl World {
    /// What a candidate learns of the record: its takeover falls due.
    pub fn see(&mut self, who: usize, record: &Record, change: WriteKind) {
        let present = self.present_version();
        let candidate = &mut self.candidates[who];
        let Some(stands) = &mut candidate.stands else {
            return;
        };
        if present.as_ref() != Some(&record.version)
            || stands.sight.as_ref() == Some(&record.version)
        {
            return;
        }
        stands.sight = Some(record.version.clone());
        let ttl = candidate.config.ttl;
        let clock = candidate.clock;
        let now = clock.local(self.now);
        let slack = SLACK + self.plan.lateness * 2 + 4 * self.plan.latency.1;
        // A forger may use up the questions that messages may cause; then the next poll asks.
        let interval = micros(&candidate.config.ttl);
        let deceived = candidate
            .deceived_at
            .is_some_and(|at| self.now < at + interval);
        let at_once = record.released
            && !record.version.is_untold()
            && record.same_incarnation
            && change == WriteKind::Released
            && !deceived;
        let (at, why) = if at_once {
            let delay = Duration::from_millis(100);
            (clock.when(now + delay), "released")
        } else {
            let ripe = Arithmetic { ttl }.ripe(record.ttl);
            (
                clock.when(now + ripe) + 100_000,
                "unchanged for a ripe watch",
            )
        };
        let check = Happening::CheckTakeover {
            to: candidate.address,
            version: record.version.clone(),
            since: self.now,
            why,
        };
        self.queue.push(at + slack, check);
    }

    /// Whatever happens to the messages, the polls of those who stand show them this write.
    pub fn expect_change(&mut self, record: &Record) {
        for who in 0..self.candidates.len() {
            let candidate = &self.candidates[who];
            if candidate.stands.is_none() {
                continue;
            }
            let ttl = candidate.config.ttl;
            let clock = candidate.clock;
            let (wait, why) = if record.released && !record.version.is_untold() {
                (ttl / 2, "released, and polled")
            } else {
                let ripe = Arithmetic { ttl }.ripe(record.ttl);
                (ttl / 2 + ripe, "polled, and unchanged for a ripe watch")
            };
            let at = clock.when(clock.local(self.now) + wait) + 100_000;
            let slack = SLACK + self.plan.lateness * 3 + 8 * self.plan.latency.1;
            let check = Happening::CheckTakeover {
                to: candidate.address,
                version: record.version.clone(),
                since: self.now,
                why,
            };
            self.queue.push(at + slack, check);
        }
    }

    pub fn check_takeover(&mut self, to: Address, version: &Version, since: u64, why: &str) {
        let present = self.present_version();
        let candidate = &self.candidates[to.who];
        let stood = candidate
            .stands
            .as_ref()
            .is_some_and(|stands| stands.since <= since);
        let wanted = candidate.address == to && candidate.wants() && stood;
        if !wanted || !self.rules.takeover.undisturbed_since(since) {
            return;
        }
        let now = self.now;
        let verdict = self
            .rules
            .takeover
            .due(now, to.who, since, version, present.as_ref(), why);
        self.hear(Rule::R6, verdict);
    }

    fn present_version(&self) -> Option<Version> {
        let active = self.redis.active;
        let server = self.redis.server(active, self.now);
        let record = self.redis.nodes[active].register.record(&server);
        record.map(|record| record.version)
    }

    pub fn note_standing(&mut self, who: usize) {
        let now = self.now;
        let candidate = &mut self.candidates[who];
        let stands = candidate.wants() && matches!(candidate.election.state, State::Standing(_));
        if !stands {
            candidate.stands = None;
        } else if candidate.stands.is_none() {
            candidate.stands = Some(Stands {
                since: now,
                sight: None,
            });
        }
    }
}

/// Beside the 100 ms of R6, in microseconds: the machine does not count its own round trips.
const SLACK: u64 = 3_000;
