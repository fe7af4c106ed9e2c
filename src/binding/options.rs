//! What the layer hands over as options: already of the right types, `undefined` where not given.

use std::time::Duration;

use napi_derive::napi;

use crate::driver::{CampaignOptions, RunOptions, RunTick};

/// The options of an election. Times are in ms; `Infinity` is without end.
#[napi(object)]
#[derive(Default)]
pub struct PlainElectionOptions {
    pub ttl: Option<f64>,
    pub renew_interval: Option<f64>,
    pub establish_timeout: Option<f64>,
    pub exit_timeout: Option<f64>,
    pub stall_timeout: Option<f64>,
    pub scope: Option<String>,
    pub server_id: Option<String>,
    pub eager_start: Option<bool>,
    pub priority: Option<f64>,
    pub version: Option<String>,
    /// The version as a text that sorts as versions do: `src/js/version.js`.
    pub version_order: Option<String>,
}

impl From<PlainElectionOptions> for CampaignOptions {
    fn from(given: PlainElectionOptions) -> Self {
        CampaignOptions {
            ttl: given.ttl.map(duration),
            renew_interval: given.renew_interval.map(duration),
            establish_timeout: given.establish_timeout.map(duration),
            exit_timeout: given.exit_timeout.map(duration),
            stall_timeout: given.stall_timeout.map(duration),
            scope: given.scope,
            server_id: given.server_id,
            eager_start: given.eager_start.unwrap_or(false),
            priority: given.priority,
            version: given.version,
            version_order: given.version_order.unwrap_or_default(),
        }
    }
}

/// The options of a run, as a list of numbers in this order; NaN where not given.
pub fn run_options(numbers: &[f64]) -> RunOptions {
    let number = |at: usize| numbers.get(at).copied().filter(|number| !number.is_nan());
    let time = |at| number(at).map(duration);
    let given = number(8).map(|at| RunTick::Given(at as i64));
    let found = number(11).map(|at| RunTick::Found(at as i64));
    RunOptions {
        of_runner: number(0) == Some(1.0),
        ttl: time(1),
        min_hold: time(2),
        wait: time(3),
        acquire_timeout: time(4),
        max_run: time(5),
        stall_timeout: time(6),
        exit_timeout: time(7),
        tick: given.or(found).or_else(|| time(9).map(RunTick::Every)),
        tick_memory: time(10),
        await_release: number(12).map(|number| number != 0.0),
    }
}

/// More than any duration may be, and far from where a duration overflows, is without end.
pub fn duration(ms: f64) -> Duration {
    match ms {
        ms if ms.is_nan() || ms < 0.0 => Duration::ZERO,
        ms if ms > MAX_MS => Duration::MAX,
        ms => Duration::from_micros((ms * 1_000.0).round() as u64),
    }
}

const MAX_MS: f64 = 1e12;
