//! The functions that JavaScript calls.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::{Object, Unknown};
use napi_derive::napi;

use super::campaign::Campaign;
use super::environment::{self, Delivery, Environment};
use super::error::{Code, PrimaryLeaseError, Result};
use super::fence::Fence;
use super::given::{Given, function, text};
use super::guarded::Guard;
use super::js::{self, Kind, Value};
use super::listener::{self, Role};
use super::logging::{self, Logger};
use super::options::Options;
use super::promise::{self, Deferred, Gathering};
use super::source;
use crate::driver::{Handle, Start, store};
use crate::election::check_name;
use crate::store::{Source, Target};

/// Stands for election as the primary of `prefix`, and resolves with the first definite answer: a
/// lease when this server is primary, `undefined` when another is.
///
/// While it is under way it keeps the process alive; nothing later does. The campaign goes on
/// in the background until `release()`, `resignPrimaryServer()` or the end of the process. It
/// takes over when the primary goes, and stands again after a loss, **while somebody listens** with
/// `onPrimaryChange` or works with `whilePrimary`: a caller who looks at the answer alone never
/// becomes primary unawares. A new call stands again and has its own answer; one while a call is
/// under way joins it.
///
/// An unreachable Redis does not reject: after `establishTimeout` without an answer it resolves
/// `undefined`, and the campaign keeps trying.
///
/// Rejects with `ERR_INVALID_CONFIG` (an argument; also when a campaign of this prefix is under way
/// with another configuration), `ERR_STORE_DENIED` (credentials, permissions, or a key of another
/// type under our name) and `ERR_CLOSED` (the process is ending, or the lease could not be handed over,
/// in which case it was given up).
#[napi(
    catch_unwind,
    ts_args_type = "redis: RedisSource, prefix: string, options?: ElectionOptions",
    ts_return_type = "Promise<PrimaryLease | undefined>"
)]
pub fn establish_primary_server(
    env: &Env,
    redis: Unknown,
    prefix: Unknown,
    options: Unknown,
) -> napi::Result<Object<'static>> {
    let (deferred, promise) = promise::pending(env)?;
    let environment = environment::present(env)?;
    let (redis, prefix, options) = (js::value(&redis), js::value(&prefix), js::value(&options));
    match prepare(env, &environment, redis, prefix, options) {
        Ok(campaign) => campaign.establish(deferred),
        Err(error) => Deferred::reject(deferred, error),
    }
    Ok(promise)
}

/// The campaign of these arguments: the one that there is, or a new one.
fn prepare(
    env: &Env,
    environment: &Rc<Environment>,
    redis: Value,
    prefix: Value,
    options: Value,
) -> Result<Rc<Campaign>> {
    let prefix = text("prefix", prefix)?;
    let options = Options::read(env, &prefix, options)?;
    let source = source::read(env, redis)?;
    if environment.closed.get() {
        return Err(PrimaryLeaseError::new(
            Code::Closed,
            "the process is ending",
        ));
    }
    if let Some(present) = environment.campaign(&prefix) {
        match difference(&present, &source, &options) {
            None => return Ok(present),
            Some(difference) if present.is_active() => {
                return Err(PrimaryLeaseError::invalid(format!(
                    "a campaign for {prefix:?} is under way with another configuration: {difference}"
                )));
            }
            // One that is being released goes on beside the new one until it has ended.
            Some(_) => {}
        }
    }
    let campaign = Rc::new(start(environment, prefix, source, options)?);
    if listener::has_any(environment, &campaign.prefix) {
        campaign.handle.listen(true);
    }
    environment.campaigns.borrow_mut().push(campaign.clone());
    Ok(campaign)
}

fn difference(present: &Campaign, source: &Source, options: &Options) -> Option<String> {
    // Which field of the source differs could be its password.
    if present.source != *source {
        return Some("redis is another server, or another way to it".into());
    }
    present.options.difference(options)
}

fn start(
    environment: &Environment,
    prefix: String,
    source: Source,
    options: Options,
) -> Result<Campaign> {
    let number = environment.next_number();
    let channel = environment.channel.clone();
    let broken = |error| PrimaryLeaseError::no_thread(&error);
    let store = store(&source).map_err(broken)?;
    let fence = Fence::of_election(store.clone(), &options.name, options.config.ttl);
    let heartbeat = environment.heartbeat().map_err(broken)?;
    let handle = Handle::start(Start {
        store,
        target: Target {
            name: Arc::from(options.name.as_str()),
            server: Arc::from(options.server_id.as_str()),
        },
        config: options.config.clone(),
        sink: Box::new(move |change| {
            channel.send(Delivery::Change {
                campaign: number,
                change,
            });
        }),
        heartbeat,
        span: tracing::info_span!("election", environment = environment.id, %prefix),
    })
    .map_err(broken)?;
    Ok(Campaign::new(
        number, prefix, source, options, handle, fence,
    ))
}

/// Calls `listener` with every change of the election `prefix` as this process sees it, in order
/// and without duplicates: `lost` before any later `elected`, tokens rising, nothing after
/// `resigned`. Returns a function that removes it.
///
/// Listeners may come before the campaign and outlive it. One that comes late is told the present
/// first: `unavailable` if so, then `elected` or `primary-changed`. While a prefix has a listener,
/// its campaign takes over when the primary goes. A listener that throws, or returns a promise
/// that rejects, is logged and harms nobody. It keeps nothing alive.
///
/// Throws `ERR_INVALID_CONFIG`.
#[napi(
    catch_unwind,
    ts_args_type = "prefix: string, listener: (change: PrimaryChange) => void",
    ts_return_type = "() => void"
)]
pub fn on_primary_change(
    env: &Env,
    prefix: Unknown,
    listener: Unknown,
) -> napi::Result<Unknown<'static>> {
    subscribe(env, prefix, ("listener", listener), Role::Told)
}

/// Calls `run` at every election of this server as the primary of `prefix`, at once (in the next
/// turn) where it is primary already. It does not wait for more than that: `lease.signal` is aborted
/// when the lease is lost, and *before* it is let go by `release()` or `resignPrimaryServer()`, which
/// can wait for the work to stop (`drain`). While a prefix has such work, its campaign takes over
/// when the primary goes. It keeps nothing alive.
///
/// A `run` that returns a promise is running until that settles: the next run does not begin before,
/// and begins then if this server is primary. It is called once per election, whenever it returns;
/// what it throws or rejects with is logged and does not end the campaign, and is no error where it
/// passes on that its signal was aborted (an `AbortError`, or `ERR_LEASE_LOST`). One that goes on
/// after its signal was aborted is reported by a warning: when the drain is over, or `ttl / 5` after
/// a loss or a resign without one, and when the next run waits for it.
///
/// Returns a function after which no further run begins. The one that is running goes on, and is
/// waited for by a drain: its signal is the lease's, which this server still has. Work that is to end
/// sooner takes `AbortSignal.any([lease.signal, another])`.
///
/// Throws `ERR_INVALID_CONFIG`.
#[napi(
    catch_unwind,
    ts_args_type = "prefix: string, run: (lease: PrimaryLease) => void | Promise<void>",
    ts_return_type = "() => void"
)]
pub fn while_primary(env: &Env, prefix: Unknown, run: Unknown) -> napi::Result<Unknown<'static>> {
    subscribe(env, prefix, ("run", run), Role::Works(Guard::default()))
}

/// Adds a function for an election, and returns one that removes it.
fn subscribe(
    env: &Env,
    prefix: Unknown,
    (name, given): (&str, Unknown),
    role: Role,
) -> napi::Result<Unknown<'static>> {
    let environment = environment::present(env)?;
    let add = || -> Result<u64> {
        let prefix = text("prefix", js::value(&prefix))?;
        check_name("prefix", &prefix)?;
        let given = function(name, js::value(&given))?;
        Ok(listener::add(&environment, &prefix, given, role)?)
    };
    let number = add().map_err(|error| error.into_napi(env))?;
    let remove = js::function(env, "stop", move |env, _| {
        if let Some(environment) = environment::existing() {
            listener::remove(env, &environment, number);
        }
    });
    Ok(remove?)
}

/// How the campaign of this process for `prefix` stands; `undefined` when there is none.
///
/// Throws `ERR_INVALID_CONFIG`.
#[napi(
    catch_unwind,
    ts_args_type = "prefix: string",
    ts_return_type = "PrimaryStatus | undefined"
)]
pub fn primary_status(env: &Env, prefix: Unknown) -> napi::Result<Unknown<'static>> {
    let environment = environment::present(env)?;
    let status = || -> Result<Value> {
        let prefix = text("prefix", js::value(&prefix))?;
        check_name("prefix", &prefix)?;
        let status = match environment.campaign(&prefix) {
            Some(campaign) => campaign.status(env)?,
            None => None,
        };
        match status {
            Some(status) => Ok(js::value(&status)),
            None => Ok(js::make(env, ())?),
        }
    };
    status().map_err(|error| error.into_napi(env))
}

/// Resigns the campaign of `prefix`, or every campaign of this process: the signal of each lease is
/// aborted, then the lease is let go, and another server can take over at once. Resolves when Redis
/// has confirmed it, and at the latest when the lease has run out without that: less than `ttl` after
/// its last renewal, and after `ttl / 6` where this server was not primary. Redis is asked to release
/// what it may still keep for one `ttl` more. Where there is no campaign it resolves at once.
///
/// `drain` is how long the work of `whilePrimary` may take to stop, in ms: from 0 (the default). Until
/// it has stopped, or the time is up, the lease is renewed, `isHeld` stays true, and no other server
/// is let in. A later resign with a shorter drain and `release()` let go sooner; a longer drain
/// changes nothing. A call of `establishPrimaryServer` meanwhile stands again after it.
/// The end of the process waits for no work.
///
/// Rejects with `ERR_INVALID_CONFIG`.
#[napi(
    catch_unwind,
    ts_args_type = "prefix?: string, options?: {drain?: number}",
    ts_return_type = "Promise<void>"
)]
pub fn resign_primary_server(
    env: &Env,
    prefix: Unknown,
    options: Unknown,
) -> napi::Result<Object<'static>> {
    let environment = environment::present(env)?;
    let (prefix, options) = (js::value(&prefix), js::value(&options));
    let (leaving, drain) = match to_resign(env, &environment, prefix, options) {
        Ok(read) => read,
        Err(error) => return promise::rejected(env, error),
    };
    let (deferred, promise) = promise::pending(env)?;
    let gathering = Gathering::begin(deferred);
    for campaign in leaving {
        campaign.resign(env, &environment, drain, &gathering);
    }
    gathering.finish();
    Ok(promise)
}

fn to_resign(
    env: &Env,
    environment: &Environment,
    prefix: Value,
    options: Value,
) -> Result<(Vec<Rc<Campaign>>, Duration)> {
    let drain = Given::new(env, options, &["drain"])?.millis("drain")?;
    let mut campaigns = environment.campaigns.borrow().clone();
    if !matches!(js::kind(prefix)?, Kind::Nothing) {
        let prefix = text("prefix", prefix)?;
        check_name("prefix", &prefix)?;
        campaigns.retain(|campaign| campaign.prefix == prefix);
    }
    Ok((campaigns, drain.unwrap_or_default()))
}

/// Sets where log lines go: each is a message and an object of fields, `prefix` among them. Without
/// a call warnings and errors go to `console`; `null` silences. A logger that throws harms nobody.
///
/// Throws `ERR_INVALID_CONFIG`.
#[napi(catch_unwind, ts_args_type = "logger: PrimaryLogger | null")]
pub fn set_logger(env: &Env, logger: Unknown) -> napi::Result<()> {
    let environment = environment::present(env)?;
    let logger = Logger::read(env, js::value(&logger)).map_err(|error| error.into_napi(env))?;
    logging::set(env, &environment, logger);
    Ok(())
}
