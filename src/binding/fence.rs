//! What a lease asks of a resource.

use std::cell::RefCell;
use std::collections::HashMap;

use napi::Env;
use napi::bindgen_prelude::{BufferSlice, Either, Null, Object, Uint8Array, Unknown};
use napi_derive::napi;

use super::campaign::Campaign;
use super::environment::{Environment, Feature};
use super::error::{Cause, Code, Result, denied, invalid, new};
use super::exit::present;
use super::listener::number;
use super::node;
use super::promise::Deferred;
use super::run::Run;
use crate::driver::{Fence, now};
use crate::election::{Failure, Token, check_name};
use crate::store::{Answer, FenceOutcome, MAX_ARGUMENTS};

/// Those who wait for the answer of a resource.
#[derive(Default)]
struct Waiting(RefCell<HashMap<u64, (Deferred, Question)>>);

impl Feature for Waiting {}

struct Question {
    of: String,
    resource: String,
    token: Token,
    has_command: bool,
}

/// Asks a resource whether it has seen a newer token than that of a lease of a campaign or a run (`owner`), which is
/// one of `of`; and with a command, applies it in the same step.
#[napi(
    catch_unwind,
    ts_args_type = "owner: number, lease: number, of: string, resource: string, command?: (string | Uint8Array)[]",
    ts_return_type = "Promise<unknown>"
)]
pub fn fence(
    env: &Env,
    owner: f64,
    lease: f64,
    of: String,
    resource: String,
    command: Option<Vec<Either<String, Uint8Array>>>,
) -> Result<Object<'static>> {
    let environment = present(env).map_err(Cause::from)?;
    let (caller, promise) = Deferred::pending(env, &environment).map_err(Cause::from)?;
    let number = environment.next_number();
    let waiting = environment.feature::<Waiting>();
    match ask(&environment, number, (owner, lease), of, resource, command) {
        Ok(question) => {
            waiting.0.borrow_mut().insert(number, (caller, question));
        }
        Err(error) => caller.reject(error),
    }
    Ok(promise)
}

fn ask(
    environment: &Environment,
    number: u64,
    (owner, lease): (f64, f64),
    of: String,
    resource: String,
    command: Option<Vec<Either<String, Uint8Array>>>,
) -> std::result::Result<Question, Cause> {
    check_name("resource", &resource)?;
    let command = command.map(bytes).transpose()?;
    let cell = environment.lease(lease as u64);
    let (Some(fence), Some(cell)) = (
        fence_of(environment, owner as u64),
        cell.filter(|cell| cell.is_held(now())),
    ) else {
        return Err(new(
            Code::LeaseLost,
            format!("the lease of {of:?} is not held any more"),
        ));
    };
    let question = Question {
        of,
        resource,
        token: cell.token(),
        has_command: command.is_some(),
    };
    let channel = environment.channel.clone();
    fence.ask(&cell, &question.resource, command, move |answer| {
        channel.send(move |env, environment| settle(env, environment, number, answer));
    })?;
    Ok(question)
}

fn fence_of(environment: &Environment, owner: u64) -> Option<Fence> {
    let campaign = environment.member::<Campaign>(owner);
    let of_run = || Some(environment.member::<Run>(owner)?.fence());
    campaign
        .map(|campaign| campaign.fence.clone())
        .or_else(of_run)
}

fn bytes(command: Vec<Either<String, Uint8Array>>) -> std::result::Result<Vec<Vec<u8>>, Cause> {
    if !(1..=MAX_ARGUMENTS).contains(&command.len()) {
        return Err(invalid(format!(
            "args must have 1 to {MAX_ARGUMENTS} elements, the command first, got {}",
            command.len()
        )));
    }
    let bytes = |argument: Either<String, Uint8Array>| match argument {
        Either::A(text) => String::into_bytes(text),
        Either::B(bytes) => bytes.to_vec(),
    };
    Ok(command.into_iter().map(bytes).collect())
}

fn settle(
    env: &Env,
    environment: &Environment,
    number: u64,
    answer: std::result::Result<FenceOutcome, Failure>,
) {
    let waiting = environment
        .feature::<Waiting>()
        .0
        .borrow_mut()
        .remove(&number);
    let Some((caller, question)) = waiting else {
        return;
    };
    match answer {
        Ok(FenceOutcome::Passed(_)) if !question.has_command => caller.resolve(()),
        Ok(FenceOutcome::Passed(answer)) => match to_js(env, answer) {
            Ok(answer) => caller.resolve(answer),
            Err(error) => caller.reject(error.into()),
        },
        Ok(FenceOutcome::Failed { words }) => caller.reject(new(Code::Reply, &*words)),
        Ok(FenceOutcome::Stale { highest }) => question.stale(caller, highest),
        Ok(FenceOutcome::Unfit { why }) => caller.reject(invalid(&*why)),
        Err(failure) => caller.reject(question.failed(&failure)),
    }
}

impl Question {
    fn stale(&self, caller: Deferred, highest: Token) {
        let Question {
            of,
            resource,
            token,
            ..
        } = self;
        let message =
            format!("the token {token} of {of:?} is stale: {resource:?} has seen {highest}");
        let tokens = [("token", number(*token)), ("highest", number(highest))];
        caller.reject_with(new(Code::StaleToken, message), &tokens);
    }

    fn failed(&self, failure: &Failure) -> Cause {
        let cause = failure.cause().trim_end_matches('.');
        let (what, done) = match self.has_command {
            true => ("the command", "applied"),
            false => ("the token", "recorded"),
        };
        match failure {
            Failure::Unknown { .. } => new(
                Code::StoreUnavailable,
                format!("redis does not answer: {cause}; {what} may or may not have been {done}"),
            ),
            Failure::Refused { .. } => new(
                Code::StoreUnavailable,
                format!("redis refuses for now: {cause}; {what} was not {done}"),
            ),
            Failure::Denied { .. } => denied(cause),
        }
    }
}

/// Bytes that are text are a string, others a `Buffer`.
fn to_js(env: &Env, answer: Answer) -> napi::Result<Unknown<'static>> {
    match answer {
        Answer::Nothing => node::value(env, Null),
        Answer::Integer(integer) => node::value(env, integer as f64),
        Answer::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => node::value(env, text),
            Err(error) => node::value(env, BufferSlice::copy_from(env, error.as_bytes())?),
        },
        Answer::List(answers) => {
            let mut list = env.create_array(0)?;
            for answer in answers {
                list.insert(to_js(env, answer)?)?;
            }
            node::value(env, list)
        }
    }
}
