//! What must always hold, checked from true time and from what the store did.

use super::plan::Family;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Two validity windows never overlap.
    R1,
    /// Tokens rise.
    R2,
    /// Not held beyond the step-down deadline, nor lost for lack of time before it.
    R4,
    /// What is held runs from the send, and nothing that comes late revives it.
    R5,
    /// The caller is told things in order, each once.
    R7,
    /// A late or repeated command harms nobody else's grant, and revives none.
    R8,
    /// One tick is never run twice, nor refused to the one who took it.
    Tick,
    /// Nobody else is granted the lease while a minHold stands.
    MinHold,
    /// A time that the store keeps lies no further ahead than what was written with it.
    Kept,
    /// A tick is not given up to one that was granted it and may not run it.
    Willing,
    /// No run is held up by a release of its own process.
    OwnRelease,
    /// What nobody heard of does not keep the lease or the tick.
    Withdraw,
    /// Everybody is answered in time, everything ends.
    Liveness,
}

impl Rule {
    pub const ALL: [Rule; 13] = [
        Rule::R1,
        Rule::R2,
        Rule::R4,
        Rule::R5,
        Rule::R7,
        Rule::R8,
        Rule::Tick,
        Rule::MinHold,
        Rule::Kept,
        Rule::Willing,
        Rule::OwnRelease,
        Rule::Withdraw,
        Rule::Liveness,
    ];
}

impl Family {
    pub fn of_seed(seed: u64) -> Family {
        // Mostly the one that asserts everything.
        match seed % 7 {
            0 => Family::Loss,
            1 => Family::Steps,
            2 => Family::Slew,
            3 => Family::Deaf,
            _ => Family::Network,
        }
    }

    /// What holds whatever befalls the store; the rest rests on its data and its clock.
    pub fn asserts(self, rule: Rule) -> bool {
        match self {
            Family::Network | Family::Deaf => true,
            Family::Slew => rule != Rule::MinHold,
            Family::Loss => !matches!(rule, Rule::R1 | Rule::Tick | Rule::MinHold),
            Family::Steps => !matches!(rule, Rule::R1 | Rule::R2 | Rule::MinHold),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Violation {
    pub rule: Rule,
    pub message: String,
}
