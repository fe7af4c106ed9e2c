//! What a lease asks of a resource: `fence` and `command`.

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{BufferSlice, JsObjectValue, Null, Object, Uint8ArraySlice};
use napi::{Env, JsValue};

use super::change::number;
use super::environment::{self, Delivery, Environment};
use super::error::{self, Code, PrimaryLeaseError, Result};
use super::given::text;
use super::js::{self, Kind, Value};
use super::promise::{self, Deferred};
use crate::driver::{self, LeaseCell, now};
use crate::election::{Config, Failure, Token, check_name};
use crate::store::{Answer, FenceOutcome, FenceRequest, FenceStore, MAX_ARGUMENTS};

/// Where the resources of one kind of lease are, and by which name they know it.
#[derive(Clone, Debug)]
pub struct Fence {
    store: Arc<dyn FenceStore>,
    lease: Arc<str>,
    /// How long an answer may take, where the lease is held for so long.
    bound: Duration,
}

impl Fence {
    /// Of an election: its name is the prefix, with the scope where there is one.
    pub fn of_election(store: Arc<dyn FenceStore>, name: &str, ttl: Duration) -> Self {
        Fence::named(store, format!("primary:{name}"), ttl)
    }

    /// Of a scoped lease.
    pub fn of_lease(store: Arc<dyn FenceStore>, resource: &str, ttl: Duration) -> Self {
        Fence::named(store, format!("lease:{resource}"), ttl)
    }

    fn named(store: Arc<dyn FenceStore>, lease: String, ttl: Duration) -> Self {
        Fence {
            store,
            lease: lease.into(),
            bound: Config::new(ttl).command_bound(),
        }
    }
}

/// A lease that asks.
pub struct Asker<'a> {
    /// `None` where nothing is left of what the lease belonged to.
    pub fence: Option<Fence>,
    pub cell: &'a LeaseCell,
    /// What it is the lease of, for people.
    pub of: &'a str,
}

/// A caller who waits for an answer.
pub struct Waiting {
    deferred: Deferred,
    question: Question,
}

struct Question {
    of: String,
    resource: String,
    token: Token,
    has_command: bool,
}

impl Asker<'_> {
    /// `fence(resource)`, or with arguments `command(resource, args)`.
    pub fn ask(
        self,
        env: &Env,
        resource: Value,
        args: Option<Value>,
    ) -> napi::Result<Object<'static>> {
        let environment = environment::present(env)?;
        match self.request(env, resource, args) {
            Ok((fence, request)) => {
                let (deferred, promise) = promise::pending(env)?;
                let question = Question {
                    of: self.of.to_owned(),
                    resource: request.resource.to_string(),
                    token: request.token,
                    has_command: request.command.is_some(),
                };
                let waiting = Waiting { deferred, question };
                send(env, &environment, &fence, request, waiting);
                Ok(promise)
            }
            Err(error) => promise::rejected(env, error),
        }
    }

    fn request(
        &self,
        env: &Env,
        resource: Value,
        args: Option<Value>,
    ) -> Result<(Fence, FenceRequest)> {
        let resource = text("resource", resource)?;
        check_name("resource", &resource)?;
        let command = args.map(|args| read_command(env, args)).transpose()?;
        let token = self.cell.token();
        let left = self.cell.remaining(now());
        let held = self.fence.as_ref().filter(|_| !left.is_zero());
        let fence = held.ok_or_else(|| PrimaryLeaseError::lease_lost(self.of, token.get()))?;
        let request = FenceRequest {
            resource: resource.into(),
            lease: fence.lease.clone(),
            token,
            command,
            bound: fence.bound.min(left),
        };
        Ok((fence.clone(), request))
    }
}

fn send(
    env: &Env,
    environment: &Environment,
    fence: &Fence,
    request: FenceRequest,
    waiting: Waiting,
) {
    let number = environment.next_number();
    environment.fences.borrow_mut().insert(number, waiting);
    let channel = environment.channel.clone();
    let sent = driver::fence(&*fence.store, request, move |answer| {
        channel.send(Delivery::Due(Box::new(move |env, environment| {
            settle(env, environment, number, answer);
        })));
    });
    if let Err(error) = sent {
        let cause = format!("the background thread could not be started: {error}").into();
        settle(env, environment, number, Err(Failure::Refused { cause }));
    }
}

fn settle(
    env: &Env,
    environment: &Environment,
    number: u64,
    answer: std::result::Result<FenceOutcome, Failure>,
) {
    let waiting = environment.fences.borrow_mut().remove(&number);
    let Some(Waiting { deferred, question }) = waiting else {
        return;
    };
    let settled = match answer {
        Ok(FenceOutcome::Passed(_)) if !question.has_command => Ok(None),
        Ok(FenceOutcome::Passed(answer)) => answer_to_js(env, answer).map(Some),
        Ok(FenceOutcome::Failed { words }) => {
            return match reply_error(env, &words) {
                Ok(error) => deferred.reject_with(error),
                Err(thrown) => deferred.reject(thrown.into()),
            };
        }
        Ok(FenceOutcome::Stale { highest }) => return deferred.reject(question.stale(highest)),
        Ok(FenceOutcome::Unfit { why }) => {
            return deferred.reject(PrimaryLeaseError::invalid(&*why));
        }
        Err(failure) => return deferred.reject(question.failed(&failure)),
    };
    match settled {
        Ok(value) => deferred.resolve_with(value),
        Err(thrown) => deferred.reject(thrown.into()),
    }
}

impl Question {
    fn stale(&self, highest: Token) -> PrimaryLeaseError {
        let Question {
            of,
            resource,
            token,
            ..
        } = self;
        let message =
            format!("the token {token} of {of:?} is stale: {resource:?} has seen {highest}");
        PrimaryLeaseError::new(Code::StaleToken, message)
            .with_number("token", number(*token))
            .with_number("highest", number(highest))
    }

    fn failed(&self, failure: &Failure) -> PrimaryLeaseError {
        let cause = failure.cause().trim_end_matches('.');
        let (what, done) = match self.has_command {
            true => ("the command", "applied"),
            false => ("the token", "recorded"),
        };
        let unavailable = |message: String| PrimaryLeaseError::new(Code::StoreUnavailable, message);
        match failure {
            Failure::Unknown { .. } => unavailable(format!(
                "redis does not answer: {cause}; {what} may or may not have been {done}"
            )),
            Failure::Refused { .. } => unavailable(format!(
                "redis refuses for now: {cause}; {what} was not {done}"
            )),
            Failure::Denied { .. } => PrimaryLeaseError::denied(cause),
        }
    }
}

/// The command's name and arguments, as bytes.
fn read_command(env: &Env, args: Value) -> Result<Vec<Vec<u8>>> {
    let length = match js::kind(args)? {
        Kind::Object(object) if object.is_array().unwrap_or(false) => {
            js::read::<u32>(js::get(env, args, "length")?)? as usize
        }
        _ => {
            return Err(PrimaryLeaseError::invalid(format!(
                "args must be an array of strings and Buffers, got {}",
                js::describe(args)
            )));
        }
    };
    if !(1..=MAX_ARGUMENTS).contains(&length) {
        return Err(PrimaryLeaseError::invalid(format!(
            "args must have 1 to {MAX_ARGUMENTS} elements, the command first, got {length}"
        )));
    }
    let read = |index: usize| {
        let argument = js::get(env, args, &index.to_string())?;
        match js::kind(argument)? {
            Kind::Text(text) => Ok(text.into_bytes()),
            Kind::Object(object) if object.is_typedarray().unwrap_or(false) => {
                let bytes = js::read::<Uint8ArraySlice>(argument);
                bytes.map(|bytes| bytes.to_vec()).map_err(|_| {
                    PrimaryLeaseError::invalid(format!(
                        "args[{index}] must be a string or a Buffer, got an array of another type"
                    ))
                })
            }
            _ => Err(PrimaryLeaseError::invalid(format!(
                "args[{index}] must be a string or a Buffer, got {}",
                js::describe(argument)
            ))),
        }
    };
    (0..length).map(read).collect()
}

/// Bytes that are text are a string, others a `Buffer`.
fn answer_to_js(env: &Env, answer: Answer) -> js::Result<Value> {
    match answer {
        Answer::Nothing => js::make(env, Null),
        Answer::Integer(integer) => js::make(env, integer as f64),
        Answer::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => js::make(env, text),
            Err(error) => {
                let buffer = BufferSlice::copy_from(env, error.as_bytes())?;
                Ok(js::value(&buffer))
            }
        },
        Answer::List(answers) => {
            let mut list = env.create_array(0)?;
            for answer in answers {
                list.insert(answer_to_js(env, answer)?)?;
            }
            Ok(js::value(&list))
        }
    }
}

/// An error of Redis's own, as its client libraries name it, with the error's first word as its code.
fn reply_error(env: &Env, words: &str) -> js::Result<Value> {
    let mut error = error::named(env, "ReplyError", words)?;
    let code = words.split(' ').next().unwrap_or_default();
    let is_code = !code.is_empty() && code.bytes().all(|b| b.is_ascii_uppercase());
    error.set_named_property("code", if is_code { code } else { "ERR" })?;
    Ok(js::value(&error))
}
