use std::collections::BTreeMap;

use super::rules::{Rule, Write};
use crate::election::{Command, Outcome};

/// What one run, or many, did.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    pub runs: u64,
    pub steps: u64,
    pub virtual_micros: u64,
    /// Faults by kind, and what should happen sometimes.
    pub counts: BTreeMap<&'static str, u64>,
    pub transitions: BTreeMap<(&'static str, &'static str), u64>,
    /// Breaches of rules whose assumptions the run broke.
    pub breaches: BTreeMap<(&'static str, Rule), u64>,
    /// Of each run in which R1 fell where it need not hold, the longest time in which two windows
    /// overlapped, in thousandths of a ttl.
    pub overlaps: Vec<u64>,
    /// The longest time from the end of all faults to a primary, in thousandths of a ttl.
    pub slowest_election: u64,
}

impl Statistics {
    pub fn count(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    /// How often a rule was broken where it need not hold.
    pub fn breaches_of(&self, rule: Rule) -> u64 {
        let breaches = self.breaches.iter();
        let of_rule = breaches.filter(|((_, broken), _)| *broken == rule);
        of_rule.map(|(_, times)| times).sum()
    }

    /// What a write at the register was.
    pub fn count_write(&mut self, write: &Write) {
        let released = write.before.is_some_and(|before| before.released);
        match (write.outcome, write.command) {
            (Outcome::Granted, _) if !write.is_new_grant() => {
                self.count("grants repeated because the reply was lost");
            }
            (Outcome::Granted, Command::Acquire { watched: None, .. }) if released => {
                self.count("grants of a released record");
            }
            (Outcome::Granted, _) if write.before.is_none() => {
                self.count("grants of a missing record, eagerly");
            }
            (Outcome::Granted, Command::Acquire { watched, .. }) if watched.is_some() => {
                self.count("grants by a ripe watch");
            }
            (Outcome::Renewed, Command::Renew { over, .. }) if over.is_some() => {
                self.count("records written again by their holder");
            }
            _ => {}
        }
    }

    pub fn add(&mut self, other: &Statistics) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.virtual_micros += other.virtual_micros;
        for (name, count) in &other.counts {
            *self.counts.entry(name).or_default() += count;
        }
        for (transition, count) in &other.transitions {
            *self.transitions.entry(*transition).or_default() += count;
        }
        for (breach, count) in &other.breaches {
            *self.breaches.entry(*breach).or_default() += count;
        }
        self.overlaps.extend(&other.overlaps);
        self.slowest_election = self.slowest_election.max(other.slowest_election);
    }
}
