use super::{Verdict, seconds};
use crate::election::Version;

/// R6: while Redis answers in the same incarnation and a candidate stands, the record does not stay as it
/// is for longer than promised.
#[derive(Default)]
pub struct Takeover {
    /// Until then some fault, or the way back from it, may delay a takeover.
    disturbed_until: u64,
    pub checked: u64,
}

impl Takeover {
    pub fn disturb(&mut self, until: u64) {
        self.disturbed_until = self.disturbed_until.max(until);
    }

    pub fn undisturbed_since(&self, since: u64) -> bool {
        self.disturbed_until <= since
    }

    /// A candidate has stood since before it saw `version`, at `since`, and nothing disturbed it.
    pub fn due(
        &mut self,
        now: u64,
        who: usize,
        since: u64,
        version: &Version,
        present: Option<&Version>,
        why: &str,
    ) -> Verdict {
        self.checked += 1;
        if present != Some(version) {
            return Ok(());
        }
        Err(format!(
            "no takeover: c{who} saw {version} at {}, {why}, and at {} it still stands there",
            seconds(since),
            seconds(now)
        ))
    }
}
