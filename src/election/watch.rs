use std::cmp::Ordering;

use super::{Config, Record, Time, Version, planted};

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

    /// What a version that a reply shows is. Where the server does not tell its incarnation, a lower `seq`
    /// may be that of an older state which came back, and is watched again: it may have come to stay.
    pub fn compare(&self, seen: &Version) -> Sight {
        match compare(&self.version, seen) {
            Sight::Old if seen.is_untold() && !planted!(UntoldLowerSeqIsOld) => Sight::New,
            sight => sight,
        }
    }
}

/// What `seen` is to one who knows of `known`.
pub(super) fn compare(known: &Version, seen: &Version) -> Sight {
    let same = seen.incarnation == known.incarnation;
    let untold = seen.is_untold() && known.is_untold();
    if seen.epoch != known.epoch || !(same || untold) {
        return Sight::New;
    }
    match seen.seq.cmp(&known.seq) {
        Ordering::Less => Sight::Old,
        Ordering::Equal if same => Sight::Same,
        // Another write of the same number: an older state has come back in between.
        Ordering::Equal => Sight::New,
        Ordering::Greater => Sight::New,
    }
}

/// Whether a released record can be had at once. Where the server does not tell its incarnation, the release
/// may have come back with an older state, beside a primary that was elected since: it is watched like any
/// other record.
pub(super) fn is_free(record: &Record) -> bool {
    let told = !record.version.is_untold() || planted!(UntoldReleasedAtOnce);
    record.released && record.same_incarnation && told
}
