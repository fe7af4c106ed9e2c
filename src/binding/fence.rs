//! What a lease asks of a resource.

use std::cell::RefCell;
use std::collections::HashMap;

use napi::Env;
use napi::bindgen_prelude::{Either, External, Object, Uint8Array};
use napi_derive::napi;

use super::answer::Told;
use super::campaign::Campaign;
use super::change::number;
use super::environment::{Environment, Feature};
use super::error::{Cause, Code, Result, denied, invalid, new};
use super::exit::present;
use super::promise::Deferred;
use super::run::Run;
use crate::driver::{Fence, now};
use crate::election::{Failure, Token, check_name};
use crate::store::{FenceOutcome, MAX_ARGUMENT_BYTES, MAX_ARGUMENTS, MAX_COMMAND_BYTES};

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

/// A command whose arguments are copied piece by piece, so that the event loop goes on turning.
#[derive(Default)]
pub struct CopiedCommand(RefCell<Vec<Vec<u8>>>);

/// How many arguments a command may have, its name among them.
#[napi]
pub const MAX_COMMAND_ARGUMENTS: u32 = MAX_ARGUMENTS as u32;
/// How many bytes an argument may have,
#[napi]
pub const MAX_BYTES_OF_ARGUMENT: f64 = MAX_ARGUMENT_BYTES as f64;
/// and all together.
#[napi]
pub const MAX_BYTES_OF_COMMAND: f64 = MAX_COMMAND_BYTES as f64;

/// To be filled with `appendToCommand`.
#[napi(catch_unwind, ts_return_type = "ExternalObject<unknown>")]
pub fn new_command() -> External<CopiedCommand> {
    External::new(CopiedCommand::default())
}

/// Appends a piece of an argument; of a new one where its `size` is given, in bytes. Returns how many bytes the piece
/// is.
#[napi(
    catch_unwind,
    ts_args_type = "command: ExternalObject<unknown>, piece: string | Uint8Array, size?: number"
)]
pub fn append_to_command(
    command: &External<CopiedCommand>,
    piece: Either<String, Uint8Array>,
    size: Option<f64>,
) -> Result<f64> {
    let mut arguments = command.0.borrow_mut();
    if let Some(size) = size {
        let mut argument = Vec::new();
        let reserved = argument.try_reserve_exact(size as usize);
        reserved.map_err(|error| invalid(format!("args cannot be copied: {error}")))?;
        arguments.push(argument);
    }
    let piece: &[u8] = match &piece {
        Either::A(text) => text.as_bytes(),
        Either::B(bytes) => bytes,
    };
    if let Some(argument) = arguments.last_mut() {
        argument.extend_from_slice(piece);
    }
    Ok(piece.len() as f64)
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
    let command = command.map(|arguments| arguments.into_iter().map(bytes).collect());
    ask(env, (owner, lease), of, resource, command)
}

/// The same with a command that was copied piece by piece.
#[napi(
    catch_unwind,
    ts_args_type = "owner: number, lease: number, of: string, resource: string, command: ExternalObject<unknown>",
    ts_return_type = "Promise<unknown>"
)]
pub fn fence_with(
    env: &Env,
    owner: f64,
    lease: f64,
    of: String,
    resource: String,
    command: &External<CopiedCommand>,
) -> Result<Object<'static>> {
    ask(env, (owner, lease), of, resource, Some(command.0.take()))
}

fn ask(
    env: &Env,
    of_lease: (f64, f64),
    of: String,
    resource: String,
    command: Option<Vec<Vec<u8>>>,
) -> Result<Object<'static>> {
    let environment = present(env).map_err(Cause::from)?;
    let (caller, promise) = Deferred::pending(env, &environment).map_err(Cause::from)?;
    let number = environment.next_number();
    let waiting = environment.feature::<Waiting>();
    match send(&environment, number, of_lease, of, resource, command) {
        Ok(question) => {
            waiting.0.borrow_mut().insert(number, (caller, question));
        }
        Err(error) => caller.reject(error),
    }
    Ok(promise)
}

fn send(
    environment: &Environment,
    number: u64,
    (owner, lease): (f64, f64),
    of: String,
    resource: String,
    command: Option<Vec<Vec<u8>>>,
) -> std::result::Result<Question, Cause> {
    check_name("resource", &resource)?;
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
        // Here rather than on the event loop.
        let answer = answer.map(|outcome| outcome.map(Told::from));
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

fn bytes(argument: Either<String, Uint8Array>) -> Vec<u8> {
    match argument {
        Either::A(text) => text.into_bytes(),
        Either::B(bytes) => bytes.to_vec(),
    }
}

fn settle(
    env: &Env,
    environment: &Environment,
    number: u64,
    answer: std::result::Result<FenceOutcome<Told>, Failure>,
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
        Ok(FenceOutcome::Passed(told)) => match told.into_js(env) {
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
