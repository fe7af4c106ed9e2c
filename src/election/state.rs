use super::lease::Lease;
use super::{Identity, Version};

/// Where a candidate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No campaign.
    Idle,
    /// The campaign has answered and nobody listens: it looks on, and takes nothing.
    Watching,
    Standing(Standing),
    Primary(Term),
    /// A lease was lost whose validity window has not ended: nothing may be asked for yet.
    Lapsed,
    /// The event loop hangs: it neither takes nor asks for anything.
    Suspended,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub identity: Identity,
    /// The outcome of an acquire with this identity is unknown for good.
    pub may_be_granted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub lease: Lease,
    /// The next renewal writes the record again if this is its version.
    pub over: Option<Version>,
    /// Commands have failed since the last confirmed renewal.
    pub failing: bool,
    /// How many others heard the last publication of ours.
    pub listeners: u32,
    /// The outside was told that a renewal is late.
    pub late: bool,
    /// Somebody asked for it to end.
    pub asked: bool,
}
