//! What was counted, as bare numbers and texts: the layer has their names.

use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;

use super::campaign::Campaign;
use super::campaigns::Campaigns;
use super::error::{Cause, Result};
use super::exit::present;
use super::listener::Audience;
use crate::driver::{Handle, connections, metrics};

/// The sizes of the lists, and then the lists: what was counted of commands, four histograms, the connections of the
/// process, and the elections of this environment. Each connection and election has some texts too.
#[napi(object, object_from_js = false)]
pub struct PlainMetrics {
    pub numbers: Float64Array,
    pub texts: Vec<String>,
}

/// The counters of the process, and how each election of this environment stands.
#[napi(catch_unwind)]
pub fn metrics(env: &Env) -> Result<PlainMetrics> {
    let environment = present(env).map_err(Cause::from)?;
    let audience = environment.feature::<Audience>();
    let campaigns = environment.feature::<Campaigns>().present_ones();
    let connections = connections();
    let sizes = [
        metrics::KINDS,
        metrics::RESULTS,
        metrics::BOUNDS,
        connections.len(),
        campaigns.len(),
    ];
    let mut numbers: Vec<f64> = sizes.map(|size| size as f64).into();
    let mut texts = Vec::with_capacity(connections.len() + 4 * campaigns.len());
    numbers.extend(metrics::commands());
    for histogram in [
        &metrics::ROUND_TRIPS,
        &metrics::MARGINS,
        &metrics::RUNS_HELD,
        &metrics::LOOP_DELAYS,
    ] {
        numbers.extend(histogram.read());
    }
    for (address, counted) in connections {
        texts.push(address);
        numbers.extend(counted.map(|count| count as f64));
    }
    for campaign in campaigns {
        let stands = audience.stands(&campaign.prefix);
        measure(&campaign, stands, &mut numbers, &mut texts);
    }
    Ok(PlainMetrics {
        numbers: numbers.into(),
        texts,
    })
}

/// How a campaign stands, and whether it `stands` for election.
fn measure(campaign: &Campaign, stands: bool, numbers: &mut Vec<f64>, texts: &mut Vec<String>) {
    let (known, settings) = (&campaign.known, &campaign.settings);
    let held = known.held();
    let other = known.other_primary();
    let (server, token) = match (&held, &other) {
        (Some(lease), _) => (&*lease.server_id, lease.token),
        (None, Some(primary)) => (&*primary.server_id, primary.token),
        (None, None) => ("", 0.0),
    };
    let of_held = |time: fn(&Handle) -> Duration| {
        let time = held.as_ref().map(|_| time(&campaign.handle));
        time.unwrap_or_default().as_secs_f64()
    };
    numbers.extend([
        f64::from(u8::from(held.is_some())),
        f64::from(u8::from(stands || held.is_some())),
        token,
        settings.config.ttl.as_secs_f64(),
        of_held(Handle::term),
        of_held(Handle::margin),
        f64::from(u8::from(known.is_available())),
        f64::from(u8::from(known.is_healthy(settings.config.ttl))),
    ]);
    texts.extend([&campaign.prefix, &settings.name, &settings.server_id].map(Clone::clone));
    texts.push(server.into());
}
