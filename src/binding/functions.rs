//! The elections of an environment: what the layer asks for, and what a caller without it can.

use std::rc::Rc;

use napi::Env;
use napi::bindgen_prelude::{Function, Object, Unknown};
use napi::threadsafe_function::UnknownReturnValue;
use napi_derive::napi;

use super::campaign::Campaign;
use super::campaigns::Campaigns;
use super::environment::{Environment, existing};
use super::error::{Cause, Result, ending, invalid};
use super::events::heartbeat;
use super::exit::present;
use super::listener::{Audience, Listener};
use super::options::{PlainElectionOptions, duration};
use super::promise::Deferred;
use super::source::{PlainSource, source, use_credentials_of};
use super::status::PlainStatus;
use crate::driver::{CampaignSettings, Fence, Handle, Start, store, wall_micros};
use crate::election::{Token, check_name};
use crate::store::{Source, Target};

type Checked<T> = std::result::Result<T, Cause>;

/// Stands for election as the primary of `prefix`, and resolves with the first definite answer: a lease, or
/// `undefined` where another server is primary.
#[napi(catch_unwind, ts_return_type = "Promise<GrantedLease | undefined>")]
pub fn establish_primary_server(
    env: &Env,
    redis: PlainSource,
    prefix: String,
    options: Option<PlainElectionOptions>,
) -> Result<Object<'static>> {
    let environment = present(env).map_err(Cause::from)?;
    let (caller, promise) = Deferred::pending(env, &environment).map_err(Cause::from)?;
    match campaign(&environment, redis, prefix, options.unwrap_or_default()) {
        Ok(campaign) => campaign.establish(caller),
        Err(error) => caller.reject(error),
    }
    Ok(promise)
}

/// The campaign of these arguments: the one that there is, or a new one.
fn campaign(
    environment: &Rc<Environment>,
    redis: PlainSource,
    prefix: String,
    options: PlainElectionOptions,
) -> Checked<Rc<Campaign>> {
    let settings = CampaignSettings::new(&prefix, options.into())?;
    let source = source(redis)?;
    if settings.config.eager_start && source.is_failover_unsafe() {
        return Err(invalid(
            "eagerStart cannot be used with failoverUnsafe: nothing tells a server that was up for \
             long from one that was restored just now",
        ));
    }
    if environment.closed.get() {
        return Err(ending());
    }
    let campaigns = environment.feature::<Campaigns>();
    if let Some(present) = campaigns.present(&prefix) {
        match difference(&present, &source, &settings) {
            None => {
                use_credentials_of(&present.source, &source)?;
                return Ok(present);
            }
            Some(difference) if present.is_active() => {
                return Err(invalid(format!(
                    "a campaign for {prefix:?} is under way with another configuration: {difference}"
                )));
            }
            // One that is being released goes on beside the new one until it has ended.
            Some(_) => {}
        }
    }
    let campaign = Rc::new(start(environment, prefix, source, settings)?);
    if environment.feature::<Audience>().stands(&campaign.prefix) {
        campaign.handle.listen(true);
    }
    campaigns.add(environment, &campaign);
    Ok(campaign)
}

fn difference(present: &Campaign, source: &Source, settings: &CampaignSettings) -> Option<String> {
    // Which field of the source differs could be its password.
    if !present.source.is_same(source) {
        return Some("redis is another server, or another way to it".into());
    }
    present.settings.difference(settings)
}

fn start(
    environment: &Rc<Environment>,
    prefix: String,
    source: Source,
    settings: CampaignSettings,
) -> Checked<Campaign> {
    let number = environment.next_number();
    let channel = environment.channel.clone();
    let store = store(&source)?;
    let fence = Fence::of_election(store.clone(), &settings.name, &settings.config);
    let handle = Handle::start(Start {
        store,
        target: Target {
            name: settings.name.as_str().into(),
            server: settings.server_id.as_str().into(),
            entry: settings.roster_entry(wall_micros()).into(),
        },
        config: settings.config.clone(),
        sink: Box::new(move |change| {
            channel.send(move |env, environment| {
                if let Some(campaign) = environment.member::<Campaign>(number) {
                    campaign.hear(env, environment, change);
                    // With its last handle the loop ends, and with the last loop the connection.
                    if campaign.is_over() {
                        environment
                            .feature::<Campaigns>()
                            .remove(environment, &campaign);
                    }
                }
            });
        }),
        heartbeat: heartbeat(environment)?,
        span: tracing::info_span!("election", environment = environment.id, %prefix),
    })?;
    Ok(Campaign::new(
        number, prefix, source, settings, handle, fence,
    ))
}

/// Calls `listener` with every change of the election `prefix` in this environment; one that is late is told the
/// present first. While there is one that `stands` (the default), the campaign takes over when the primary goes.
/// Returns a number for `offPrimaryChange`.
#[napi(
    catch_unwind,
    ts_args_type = "prefix: string, listener: (change: PlainChange) => void, stands?: boolean"
)]
pub fn on_primary_change(
    env: &Env,
    prefix: String,
    listener: Function<'_, Unknown<'static>, UnknownReturnValue>,
    stands: Option<bool>,
) -> Result<f64> {
    check_name("prefix", &prefix).map_err(Cause::from)?;
    let environment = present(env).map_err(Cause::from)?;
    let audience = environment.feature::<Audience>();
    let campaign = environment.feature::<Campaigns>().present(&prefix);
    let (number, stands) = (environment.next_number(), stands.unwrap_or(true));
    let first = stands && !audience.stands(&prefix);
    let function = listener.create_ref().map_err(Cause::from)?;
    let listener = Listener::new(number, stands, campaign.is_none(), function);
    audience.add(&prefix, listener);
    if let Some(campaign) = campaign {
        // Behind whatever is on its way already, which is part of the present by then.
        environment.channel.send(move |env, environment| {
            tell_present(env, environment, &prefix, number);
        });
        if first {
            campaign.handle.listen(true);
        }
    }
    Ok(number as f64)
}

/// Tells a late listener the present, from where on it hears every change.
fn tell_present(env: &Env, environment: &Rc<Environment>, prefix: &str, number: u64) {
    let audience = environment.feature::<Audience>();
    let Some(listener) = audience.find(prefix, number) else {
        return;
    };
    listener.live.set(true);
    let Some(campaign) = environment.feature::<Campaigns>().present(prefix) else {
        return;
    };
    for change in campaign.present() {
        // It may remove itself at the first.
        if audience.find(prefix, number).is_none() {
            return;
        }
        let lease = change.lease.clone();
        if let (Err(error), Some(lease)) = (listener.tell(env, change), lease) {
            campaign.give_up(env, environment, &lease, &error.reason);
        }
    }
}

/// Removes a listener; one that is gone already is left alone.
#[napi(catch_unwind)]
pub fn off_primary_change(listener: f64) {
    let Some(environment) = existing() else {
        return;
    };
    let audience = environment.feature::<Audience>();
    if let Some(prefix) = audience.remove(listener as u64)
        && !audience.stands(&prefix)
        && let Some(campaign) = environment.feature::<Campaigns>().present(&prefix)
    {
        campaign.handle.listen(false);
    }
}

/// How the campaign for `prefix` stands; `undefined` where there is none.
#[napi(catch_unwind)]
pub fn primary_status(env: &Env, prefix: String) -> Result<Option<PlainStatus>> {
    check_name("prefix", &prefix).map_err(Cause::from)?;
    let environment = present(env).map_err(Cause::from)?;
    let campaign = environment.feature::<Campaigns>().present(&prefix);
    Ok(campaign.and_then(|campaign| campaign.status()))
}

/// The campaigns of a prefix, or all of this environment.
#[napi(catch_unwind)]
pub fn campaigns(env: &Env, prefix: Option<String>) -> Result<Vec<f64>> {
    if let Some(prefix) = &prefix {
        check_name("prefix", prefix).map_err(Cause::from)?;
    }
    let environment = present(env).map_err(Cause::from)?;
    let campaigns = environment.feature::<Campaigns>().of(prefix.as_deref());
    Ok(campaigns
        .iter()
        .map(|campaign| campaign.number as f64)
        .collect())
}

/// Ends a campaign, and resolves when nothing of it is on its way any more. The work under its lease has so many
/// ms to stop before that.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn resign(env: &Env, campaign: f64, drain: f64) -> Result<Object<'static>> {
    leave(env, campaign, |environment, campaign, caller| {
        campaign.resign(env, environment, duration(drain), caller);
    })
}

/// Ends a campaign, for a lease of it that began after the resign `era`.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn release(env: &Env, campaign: f64, era: f64) -> Result<Object<'static>> {
    leave(env, campaign, |environment, campaign, caller| {
        campaign.release(env, environment, era as u64, caller);
    })
}

fn leave(
    env: &Env,
    campaign: f64,
    act: impl FnOnce(&Rc<Environment>, &Campaign, Deferred),
) -> Result<Object<'static>> {
    let environment = present(env).map_err(Cause::from)?;
    let (caller, promise) = Deferred::pending(env, &environment).map_err(Cause::from)?;
    match environment.member::<Campaign>(campaign as u64) {
        Some(campaign) => act(&environment, &campaign, caller),
        None => caller.resolve(()),
    }
    Ok(promise)
}

/// The work under a lease of a campaign failed, while other work under it goes on or not: the campaign goes on, and
/// stands again after a pause.
#[napi(catch_unwind)]
pub fn fail_work(campaign: f64, token: f64, others_work: bool) {
    let environment = existing();
    let campaign = environment.and_then(|all| all.member::<Campaign>(campaign as u64));
    if let Some(campaign) = campaign {
        campaign.handle.fail(Token::new(token as u64), others_work);
    }
}

/// Work begins under a lease of `prefix`, or has ended: a drain waits for it.
#[napi(catch_unwind)]
pub fn work(env: &Env, prefix: String, begins: bool) {
    let Some(environment) = existing() else {
        return;
    };
    environment
        .feature::<Audience>()
        .count_work(&prefix, begins);
    if !begins {
        for campaign in environment.feature::<Campaigns>().of(Some(&prefix)) {
            campaign.work_ended(env, &environment);
        }
    }
}
