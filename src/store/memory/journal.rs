use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::election::{Command, Outcome, Record, Reply};
use crate::store::{Target, unclaimed_or};

/// What is kept for people beside the record of an election: who stands by, and the last changes. In the words of
/// docs/protocol.md ("The roster", "The log"), as the scripts write them.
#[derive(Debug, Default)]
pub struct Journal {
    /// The last sight of each entry, in ms.
    standbys: BTreeMap<Arc<str>, u64>,
    /// The latest first.
    changes: VecDeque<String>,
}

impl Journal {
    pub fn standbys(&self) -> Vec<(Arc<str>, u64)> {
        let entries = self.standbys.iter();
        entries
            .map(|(entry, seen)| (entry.clone(), *seen))
            .collect()
    }

    pub fn changes(&self) -> Vec<String> {
        self.changes.iter().cloned().collect()
    }

    /// A command of `target` was answered: the record before it, and the reply.
    pub fn note(
        &mut self,
        wall_micros: u64,
        target: &Target,
        command: &Command,
        (before, reply): (Option<&Record>, &Reply),
    ) {
        match command {
            Command::Acquire {
                rank: Some(_), ttl, ..
            } if reply.outcome == Outcome::Refused => {
                self.enter(wall_micros / 1_000, &target.entry, *ttl);
            }
            Command::Acquire { .. } if reply.outcome == Outcome::Granted => {
                self.leave(&target.entry)
            }
            Command::Release { .. } => self.leave(&target.entry),
            _ => {}
        }
        if let (Some(change), Some(record)) = (change(command, before, reply), &reply.record) {
            let plain = |c: char| if c.is_control() { '?' } else { c };
            let server: String = record.server.chars().map(plain).collect();
            let line = format!("{wall_micros} {} {change} {server}", record.token);
            self.changes.push_front(line);
            self.changes.truncate(MOST_CHANGES);
        }
    }

    fn enter(&mut self, now: u64, entry: &Arc<str>, ttl: Duration) {
        let kept = u64::try_from(ttl.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_mul(2);
        self.standbys
            .retain(|_, seen| now.saturating_sub(*seen) <= kept);
        self.standbys.insert(entry.clone(), now);
    }

    fn leave(&mut self, entry: &str) {
        self.standbys.remove(entry);
    }
}

/// What the log says of it, if anything.
fn change(command: &Command, before: Option<&Record>, reply: &Reply) -> Option<String> {
    match (command, reply.outcome) {
        (Command::Acquire { .. }, Outcome::Granted) => {
            let after = reply.record.as_ref()?;
            let found = match before {
                Some(before) if before.token == after.token => return None,
                Some(before) if before.holder.is_some() && before.released => "free",
                Some(before) if before.holder.is_some() => "silent",
                _ => "missing",
            };
            Some(format!("elected-{found}"))
        }
        (
            Command::Renew {
                identity, token, ..
            },
            Outcome::Renewed,
        ) => {
            let held = before.is_some_and(|before| {
                before.holder == Some(*identity) && before.token == *token && !before.released
            });
            (!held).then(|| "restored".into())
        }
        (Command::Release { reason, .. }, Outcome::Released) => {
            Some(format!("left-{}", unclaimed_or(*reason)))
        }
        _ => None,
    }
}

const MOST_CHANGES: usize = 10;
