use std::cmp::Ordering;

use super::{Config, Record, Time, Version};

/// A record that a reply has shown, and since when it has stood unchanged.
///
/// The time is that of the *receipt* of what first showed the version, the reply or a message that the
/// reply bears out ([`super::hints`]): a time taken at the send would count a wait that nobody waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    pub version: Version,
    ripe_at: Time,
}

/// What a record says to somebody who has been watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Older than what was seen already: a late reply or message.
    Old,
    /// The version that is being watched.
    Same,
    New,
}

impl Watch {
    pub fn begin(since: Time, record: &Record, config: &Config) -> Self {
        Watch {
            version: record.version.clone(),
            ripe_at: since + config.ripe_after(record.ttl),
        }
    }

    /// When the record may be taken over, if it is still unchanged then.
    pub fn ripe_at(&self) -> Time {
        self.ripe_at
    }

    pub fn compare(&self, seen: &Version) -> Sight {
        compare(&self.version, seen)
    }
}

/// What `seen` is to one who knows of `known`.
pub(super) fn compare(known: &Version, seen: &Version) -> Sight {
    if seen.epoch != known.epoch || seen.incarnation != known.incarnation {
        return Sight::New;
    }
    match seen.seq.cmp(&known.seq) {
        Ordering::Less => Sight::Old,
        Ordering::Equal => Sight::Same,
        Ordering::Greater => Sight::New,
    }
}
