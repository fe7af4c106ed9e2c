//! Runs the loop around one election, and the one around the lease of one run: waits, reads the clock, carries commands to the store and
//! tells the outside what happened. The rules are [`crate::election`]'s.

mod alarms;
mod campaign;
mod campaigns;
mod change;
mod clock;
mod fence;
mod handle;
mod heartbeat;
mod inbox;
mod lease_cell;
mod look;
pub mod metrics;
mod request;
mod run;
mod run_change;
mod run_handle;
mod run_inbox;
mod runs;
mod runtime;
mod serving;
mod settings;
mod shared;
mod stores;

pub use change::{CampaignChange, Sink};
pub use clock::{now, wall_micros};
pub use fence::Fence;
pub use handle::{Handle, Start};
pub use heartbeat::Heartbeat;
pub use lease_cell::{LeaseCell, Taken};
pub use look::{list, look};
pub use request::ask_to_resign;
pub use run_change::{RunChange, RunSink, RunStart};
pub use run_handle::{RunHandle, RunWait, hand_over};
use runtime::runtime;
pub use runtime::soon;
pub use settings::{CampaignOptions, CampaignSettings, RunOptions, RunSettings, RunTick};
pub use stores::{connections, store};
