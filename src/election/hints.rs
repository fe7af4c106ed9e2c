use std::time::Duration;

use super::watch::{Sight, compare};
use super::{Message, Nonce, Record, Time, Version, planted};

/// What messages have said since the store last answered.
///
/// A message may be lost, late, repeated, forged, or meant for somebody else. So it is believed in one
/// thing alone, and only once a reply bears it out: since when a version has been there. What else it
/// causes is bounded, whoever sends it: a question or two, which the store answers with the truth.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints {
    sightings: Vec<Sighting>,
    /// The last change that a reply showed had been announced.
    arrive: bool,
    /// The released version that the store is being asked about, and since when.
    released: Option<(Version, Time)>,
    /// The version that the outside was told of, and when.
    told: Option<(Version, Time)>,
    looks: Allowance<1>,
    takeovers: Allowance<4>,
    tales: Allowance<4>,
}

/// A message's first receipt.
#[derive(Clone, Debug)]
struct Sighting {
    version: Version,
    nonce: Nonce,
    at: Time,
}

impl Hints {
    /// Remembers when a version was announced.
    pub fn note(&mut self, now: Time, message: &Message) {
        // A flood costs promptness at most: what is not remembered is seen by the next poll.
        if self.sightings.len() < MOST_SIGHTINGS {
            self.sightings.push(Sighting {
                version: message.record.version.clone(),
                nonce: message.record.nonce,
                at: now,
            });
        }
    }

    /// Since when the record of a reply has stood as it is, as far as messages prove it.
    ///
    /// Nobody knew the nonce before this version was written, so a message that names both came after
    /// that: nobody's window is counted from later. Where the record was written in another incarnation its
    /// version is younger than its nonce, which then proves nothing.
    pub fn announced(&self, record: &Record) -> Option<Time> {
        let announces = |sighting: &&Sighting| {
            let proven = sighting.nonce == record.nonce || planted!(NonceIgnored);
            proven && sighting.version == record.version
        };
        let sighting = self.sightings.iter().find(announces)?;
        record.same_incarnation.then_some(sighting.at)
    }

    /// A reply to what was sent at `sent_at` showed a version; `news` if it had not been shown before.
    pub fn answered(&mut self, sent_at: Time, version: &Version, news: bool, announced: bool) {
        if news {
            self.arrive = announced;
        }
        // The record has really come so far: as often as it is written, a release may be asked about again.
        let borne_out = |(known, at): &(Version, Time)| {
            let one_line = known.epoch == version.epoch && known.incarnation == version.incarnation;
            *at <= sent_at && one_line && known.seq <= version.seq
        };
        if self
            .released
            .take_if(|released| borne_out(released))
            .is_some()
        {
            self.takeovers.give_back();
        }
        // What was announced before the question was sent has been executed before it.
        self.sightings.retain(|sighting| sighting.at >= sent_at);
        let open = |(_, at): &(Version, Time)| *at >= sent_at;
        self.released = self.released.take().filter(open);
        self.told = self.told.take().filter(open);
    }

    /// Messages arrive, as far as the replies can tell.
    pub fn arrive(&self) -> bool {
        self.arrive
    }

    /// Whether a message may make the candidate ask: once in an `interval`.
    pub fn may_look(&mut self, now: Time, interval: Duration) -> bool {
        self.looks.take(now, interval)
    }

    /// Whether the announcement of this release may make the candidate ask: four times in an
    /// `interval`, not counting those that the answer bore out.
    pub fn may_take_over(&mut self, now: Time, interval: Duration, version: &Version) -> bool {
        let known = |(known, _): &(Version, Time)| known == version;
        if self.released.as_ref().is_some_and(known) || !self.takeovers.take(now, interval) {
            return false;
        }
        self.released = Some((version.clone(), now));
        true
    }

    /// Whether a message may tell the outside who is primary: four times in an `interval`.
    pub fn may_tell(&mut self, now: Time, interval: Duration, version: &Version) -> bool {
        let may = self.tales.take(now, interval);
        if may {
            self.told = Some((version.clone(), now));
        }
        may
    }

    /// Whether a release was announced that is newer than this version, which a reply showed.
    pub fn release_after(&self, seen: &Version) -> bool {
        is_newer(self.released.as_ref(), seen)
    }

    /// Whether the outside was told of something newer than this version, which a reply showed.
    pub fn told_after(&self, seen: &Version) -> bool {
        is_newer(self.told.as_ref(), seen)
    }
}

fn is_newer(hint: Option<&(Version, Time)>, seen: &Version) -> bool {
    hint.is_some_and(|(version, _)| compare(seen, version) == Sight::New)
}

/// So many times within an interval, wherever that begins.
#[derive(Clone, Debug)]
struct Allowance<const N: usize>([Option<Time>; N]);

impl<const N: usize> Allowance<N> {
    fn take(&mut self, now: Time, interval: Duration) -> bool {
        let over = |taken: &Option<Time>| taken.is_none_or(|at| now.since(at) >= interval);
        let slot = self.0.iter_mut().find(|taken| over(taken));
        if planted!(MessagesUnbounded) {
            return true;
        }
        slot.map(|slot| *slot = Some(now)).is_some()
    }
}

impl<const N: usize> Allowance<N> {
    /// What was taken last does not count.
    fn give_back(&mut self) {
        if let Some(latest) = self.0.iter_mut().max() {
            *latest = None;
        }
    }
}

impl<const N: usize> Default for Allowance<N> {
    fn default() -> Self {
        Allowance([None; N])
    }
}

/// Above the messages of any election between two polls, and less than 1 MB of such as ours.
const MOST_SIGHTINGS: usize = 4_096;
