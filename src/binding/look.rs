//! Looks at elections without taking part, as lists of texts that the layer reads.

use std::cell::RefCell;
use std::collections::HashMap;

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use super::environment::{Environment, Feature};
use super::error::{Cause, Code, Result, denied, new};
use super::exit::present;
use super::options::duration;
use super::promise::Deferred;
use super::source::{PlainSource, source};
use crate::driver;
use crate::election::{Failure, election_name};
use crate::store::{ElectionLook, ListLook, ListedLook, RecordLook, RosterLook};

/// Those who wait for what is seen.
#[derive(Default)]
struct Lookers(RefCell<HashMap<u64, Deferred>>);

impl Feature for Lookers {}

/// Looks at an election, within so many ms, or as long as the source has for connecting. Resolves with the time, the
/// record (`missing`, `unreadable`, or in eight fields), why the roster is refused, how many it has, and the members
/// with their last sight.
#[napi(catch_unwind, ts_return_type = "Promise<string[]>")]
pub fn look(
    env: &Env,
    redis: PlainSource,
    prefix: String,
    scope: Option<String>,
    within: Option<f64>,
) -> Result<Object<'static>> {
    wait(env, |environment, number| {
        let name = election_name(&prefix, scope.as_deref())?;
        let channel = environment.channel.clone();
        let within = within.map(duration);
        driver::look(&source(redis)?, &name, within, move |answer| {
            let seen = answer.map(seen);
            channel.send(move |_, environment| settle(environment, number, seen));
        })?;
        Ok(())
    })
}

/// Looks for elections and run leases from this cursor on. Resolves with the time, the next cursor (`0` at the end),
/// about how many keys were looked at, and for each that was found its kind, its name and what it is: a record as
/// of `look`, the three fields of a lease, or `odd` and why.
#[napi(catch_unwind, ts_return_type = "Promise<string[]>")]
pub fn list(
    env: &Env,
    redis: PlainSource,
    cursor: String,
    within: Option<f64>,
) -> Result<Object<'static>> {
    wait(env, |environment, number| {
        let channel = environment.channel.clone();
        let cursor = cursor.parse().unwrap_or_default();
        driver::list(
            &source(redis)?,
            cursor,
            within.map(duration),
            move |answer| {
                let found = answer.map(listed);
                channel.send(move |_, environment| settle(environment, number, found));
            },
        )?;
        Ok(())
    })
}

fn wait(
    env: &Env,
    begin: impl FnOnce(&Environment, u64) -> std::result::Result<(), Cause>,
) -> Result<Object<'static>> {
    let environment = present(env).map_err(Cause::from)?;
    let (caller, promise) = Deferred::pending(env, &environment).map_err(Cause::from)?;
    let number = environment.next_number();
    match begin(&environment, number) {
        Ok(()) => {
            let lookers = environment.feature::<Lookers>();
            lookers.0.borrow_mut().insert(number, caller);
        }
        Err(error) => caller.reject(error),
    }
    Ok(promise)
}

fn settle(
    environment: &Environment,
    number: u64,
    answer: std::result::Result<Vec<String>, Failure>,
) {
    let lookers = environment.feature::<Lookers>();
    let waiting = lookers.0.borrow_mut().remove(&number);
    let Some(caller) = waiting else {
        return;
    };
    match answer {
        Ok(seen) => caller.resolve(seen),
        Err(failure) => {
            let cause = failure.cause().trim_end_matches('.');
            caller.reject(match failure {
                Failure::Unknown { .. } => new(
                    Code::StoreUnavailable,
                    format!("redis does not answer: {cause}"),
                ),
                Failure::Refused { .. } => new(
                    Code::StoreUnavailable,
                    format!("redis refuses for now: {cause}"),
                ),
                Failure::Denied { .. } => denied(cause),
            });
        }
    }
}

fn seen(look: ElectionLook) -> Vec<String> {
    let mut texts = vec![look.micros.to_string()];
    record(look.record, &mut texts);
    match look.standbys {
        RosterLook::Refused { why } => texts.extend([why, "0".into()]),
        RosterLook::Read { standbys, count } => {
            texts.extend([String::new(), count.to_string()]);
            for (member, sight) in standbys {
                texts.extend([member, sight.to_string()]);
            }
        }
    }
    texts
}

fn record(record: RecordLook, texts: &mut Vec<String>) {
    match record {
        RecordLook::Missing => texts.push("missing".into()),
        RecordLook::Unreadable => texts.push("unreadable".into()),
        RecordLook::Record {
            token,
            held,
            ttl,
            at,
            since,
            server,
            asked,
            log,
        } => {
            texts.push(if held { "held" } else { "free" }.into());
            texts.extend([token, ttl, at, since].map(|number| number.to_string()));
            texts.extend([server, u8::from(asked).to_string(), log]);
        }
    }
}

fn listed(look: ListLook) -> Vec<String> {
    let mut texts = [look.micros, look.cursor, look.scanned]
        .map(|number| number.to_string())
        .to_vec();
    for (name, what) in look.found {
        let (kind, odd) = match what {
            ListedLook::Election(Ok(found)) => {
                texts.extend(["election".into(), name]);
                record(found, &mut texts);
                continue;
            }
            ListedLook::Lease(Ok(lease)) => {
                let left = lease.left.map_or(String::new(), |left| left.to_string());
                let token = lease.token.to_string();
                texts.extend(["lease".into(), name, lease.stage.into(), token, left]);
                continue;
            }
            ListedLook::Election(Err(odd)) => ("election", odd),
            ListedLook::Lease(Err(odd)) => ("lease", odd),
        };
        texts.extend([kind.into(), name, "odd".into(), odd.cause().to_string()]);
    }
    texts
}
