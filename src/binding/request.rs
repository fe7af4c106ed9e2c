//! What somebody who takes no part in an election asks of its primary.

use std::cell::RefCell;
use std::collections::HashMap;

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use super::change::number;
use super::environment::{Environment, Feature};
use super::error::{Cause, Code, Result, denied, new};
use super::exit::present;
use super::promise::Deferred;
use super::source::{PlainSource, source};
use crate::driver::{ask_to_resign, store};
use crate::election::{Failure, Record, Token, election_name};

/// Those who wait for the answer to a request.
#[derive(Default)]
struct Asking(RefCell<HashMap<u64, Deferred>>);

impl Feature for Asking {}

/// What came of a request to resign.
#[napi(object, object_from_js = false)]
pub struct PlainRequest {
    /// There was a primary, which hears of it with its next renewal.
    pub asked: bool,
    /// Of the primary that there is.
    pub token: Option<f64>,
    pub server_id: Option<String>,
}

/// Asks the primary of `prefix` to resign, of the term with this token alone where one is given.
#[napi(catch_unwind, ts_return_type = "Promise<PlainRequest>")]
pub fn request_resign(
    env: &Env,
    redis: PlainSource,
    prefix: String,
    scope: Option<String>,
    token: Option<f64>,
) -> Result<Object<'static>> {
    let environment = present(env).map_err(Cause::from)?;
    let (caller, promise) = Deferred::pending(env, &environment).map_err(Cause::from)?;
    let asking = environment.feature::<Asking>();
    let key = environment.next_number();
    match send(&environment, key, redis, &prefix, scope.as_deref(), token) {
        Ok(()) => {
            asking.0.borrow_mut().insert(key, caller);
        }
        Err(error) => caller.reject(error),
    }
    Ok(promise)
}

fn send(
    environment: &Environment,
    key: u64,
    redis: PlainSource,
    prefix: &str,
    scope: Option<&str>,
    token: Option<f64>,
) -> std::result::Result<(), Cause> {
    let name = election_name(prefix, scope)?;
    let store = store(&source(redis)?)?;
    let token = token.map(|token| Token::new(token as u64));
    let channel = environment.channel.clone();
    ask_to_resign(&store, &name, token, move |answer| {
        channel.send(move |_, environment| settle(environment, key, answer));
    })?;
    Ok(())
}

fn settle(
    environment: &Environment,
    key: u64,
    answer: std::result::Result<(bool, Option<Record>), Failure>,
) {
    let caller = environment.feature::<Asking>().0.borrow_mut().remove(&key);
    let Some(caller) = caller else { return };
    match answer {
        Ok((asked, record)) => {
            let held = record.filter(|record| record.holder.is_some() && !record.released);
            caller.resolve(PlainRequest {
                asked,
                token: held.as_ref().map(|record| number(record.token)),
                server_id: held.map(|record| record.server.to_string()),
            });
        }
        Err(failure @ Failure::Denied { .. }) => caller.reject(denied(failure.cause())),
        Err(failure) => {
            let message = format!("redis does not answer: {}", failure.cause());
            caller.reject(new(Code::StoreUnavailable, message));
        }
    }
}
