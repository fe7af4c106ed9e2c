use std::time::Duration;

use super::{Identity, Reason, Time, Token, Version};

/// The release of an identity that is not used any more, until the store has answered it.
///
/// It outlives the standing or the term that the identity served: a grant whose reply was lost must
/// not keep the place, and a new standing need not wait for the old one's release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PendingRelease {
    pub identity: Identity,
    /// The token of the term, where there was one, and until when that term may still be written
    /// again in order to be released. `None` once a release may have taken effect.
    pub term: Option<(Token, Time)>,
    /// The record has to be written again over this version first.
    pub over: Option<Version>,
    pub listeners: u32,
    /// Why the term ended; `None` where there was none.
    pub reason: Option<Reason>,
    pub step: Step,
    /// Failed sends so far.
    pub attempts: u32,
    /// Of the term, or when it was said where there was none: from then on nobody believes in it.
    pub window_end: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To be sent at this time.
    Due(Time),
    /// The request with this id is on its way.
    Sent(u64),
    Done,
}

impl PendingRelease {
    /// Given up then: by that time the others' watch has ripened.
    pub fn until(&self, ttl: Duration) -> Time {
        self.window_end + ttl
    }

    pub fn due_at(&self) -> Option<Time> {
        match self.step {
            Step::Due(at) => Some(at),
            Step::Sent(_) | Step::Done => None,
        }
    }
}
