use super::{Config, Record, Time, Version};

/// A record that this candidate has seen, and since when it has stood unchanged.
///
/// The time is that of the *receipt* of what first showed the version: the record cannot have been
/// written later than that, while a time taken at the send would count a wait that nobody waited.
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
    pub fn begin(now: Time, record: &Record, config: &Config) -> Self {
        Watch {
            version: record.version.clone(),
            ripe_at: now + config.ripe_after(record.ttl),
        }
    }

    /// When the record may be taken over, if it is still unchanged then.
    pub fn ripe_at(&self) -> Time {
        self.ripe_at
    }

    pub fn compare(&self, seen: &Version) -> Sight {
        if seen.epoch != self.version.epoch || seen.run != self.version.run {
            return Sight::New;
        }
        match seen.seq.cmp(&self.version.seq) {
            std::cmp::Ordering::Less => Sight::Old,
            std::cmp::Ordering::Equal => Sight::Same,
            std::cmp::Ordering::Greater => Sight::New,
        }
    }
}
