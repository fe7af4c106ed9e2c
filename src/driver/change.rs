use std::sync::Arc;

use super::LeaseCell;
use crate::election::{Answer, Primary, Reason, Token};

/// What a campaign tells the outside, in order.
#[derive(Clone, Debug)]
pub enum CampaignChange {
    Elected(Arc<LeaseCell>),
    Lost {
        token: Token,
        reason: Reason,
    },
    Resigned {
        token: Option<Token>,
        reason: Reason,
    },
    /// No renewal has been confirmed for half of the time that there is for one.
    RenewalLate {
        token: Token,
    },
    /// A renewal was confirmed after that.
    Renewed {
        token: Token,
    },
    /// Somebody asks for the lease: [`Handle::step_aside`](super::Handle::step_aside) is to be called when the work under
    /// it has stopped. A `Lost` follows, after a ttl at the latest.
    Asked {
        token: Token,
    },
    PrimaryChanged(Option<Primary>),
    Unavailable {
        cause: Arc<str>,
    },
    Available,
    /// To every caller who establishes, up to the call of [`Handle::establish`] that returned this
    /// number. An `Elected` came before an answer with its token.
    Answer {
        establish: u64,
        answer: Answer,
    },
    /// To the caller of [`Handle::resign`](super::Handle::resign) up to the call that returned this number: what was
    /// held has run out, though the store has not confirmed its release, which goes on.
    Unconfirmed {
        resign: u64,
    },
    /// Nothing is on its way any more of any campaign that was resigned with [`Handle::resign`]
    /// up to the one that returned this number.
    Ended {
        resign: u64,
    },
    /// The time of [`Handle::drain`](super::Handle::drain) was up, or the lease was lost before that:
    /// the campaign was resigned with this number.
    Undrained {
        resign: u64,
    },
    /// The loop itself broke: nothing follows, and the handle is dead. The token if a lease was
    /// held until now.
    Failed {
        token: Option<Token>,
    },
}

/// Where the changes go: called from one task only, in order. It must not block.
pub type Sink = Box<dyn Fn(CampaignChange) + Send + Sync>;
