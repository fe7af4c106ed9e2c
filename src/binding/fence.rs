//! What a lease asks of a resource: `fence` and `command`.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::Object;

use super::answer::Told;
use super::arguments::Arguments;
use super::change::number;
use super::environment::{self, Delivery, Environment};
use super::error::{self, Code, PrimaryLeaseError, Result};
use super::given::text;
use super::js::{self, Value};
use super::promise::{self, Deferred};
use crate::driver::{self, LeaseCell, now};
use crate::election::{Config, Failure, Token, check_name};
use crate::store::{FenceOutcome, FenceRequest, FenceStore};

/// Where the resources of one kind of lease are, and by which name they know it.
#[derive(Clone, Debug)]
pub struct Fence {
    store: Arc<dyn FenceStore>,
    lease: Arc<str>,
    /// How long nothing may move while an answer is waited for, where the lease is held for so long.
    bound: Duration,
}

impl Fence {
    /// Of an election: its name is the prefix, with the scope where there is one.
    pub fn of_election(store: Arc<dyn FenceStore>, name: &str, ttl: Duration) -> Self {
        Fence::named(store, format!("primary:{name}"), ttl)
    }

    /// Of a scoped lease.
    pub fn of_lease(store: Arc<dyn FenceStore>, resource: &str, ttl: Duration) -> Self {
        Fence::named(store, Fence::lease_of_run(resource), ttl)
    }

    /// By which name resources know the lease of a run.
    pub fn lease_of_run(resource: &str) -> String {
        format!("lease:{resource}")
    }

    /// By which name resources know the lease.
    pub fn lease(&self) -> &Arc<str> {
        &self.lease
    }

    fn named(store: Arc<dyn FenceStore>, lease: String, ttl: Duration) -> Self {
        Fence {
            store,
            lease: lease.into(),
            bound: Config::new(ttl).command_bound().max(QUICKEST),
        }
    }
}

/// A lease that asks.
pub struct Asker<'a> {
    /// `None` where nothing is left of what the lease belonged to.
    pub fence: Option<Fence>,
    pub cell: &'a Arc<LeaseCell>,
    /// What it is the lease of, for people.
    pub of: &'a str,
}

/// A caller who waits for an answer.
pub struct Waiting {
    deferred: Deferred,
    question: Question,
}

/// A question that comes after one whose arguments are still being copied, or is that one.
pub struct Unsent {
    number: u64,
    fence: Fence,
    cell: Arc<LeaseCell>,
    resource: Arc<str>,
    arguments: Option<Arguments>,
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
        let unsent = match self.read(env, &environment, resource, args) {
            Ok(unsent) => unsent,
            Err(error) => return promise::rejected(env, error),
        };
        let (deferred, promise) = promise::pending(env)?;
        let question = Question {
            of: self.of.to_owned(),
            resource: unsent.resource.to_string(),
            token: self.cell.token(),
            has_command: unsent.arguments.is_some(),
        };
        let waiting = Waiting { deferred, question };
        environment
            .fences
            .borrow_mut()
            .insert(unsent.number, waiting);
        let is_first = environment.unsent.borrow().is_empty();
        if is_first && unsent.is_complete() {
            send(env, &environment, unsent);
        } else {
            environment.unsent.borrow_mut().push_back(unsent);
            if is_first {
                environment.after(Duration::ZERO, copy);
            }
        }
        Ok(promise)
    }

    fn read(
        &self,
        env: &Env,
        environment: &Environment,
        resource: Value,
        args: Option<Value>,
    ) -> Result<Unsent> {
        let resource = text("resource", resource)?;
        check_name("resource", &resource)?;
        let held = self.fence.as_ref().filter(|_| self.cell.is_held(now()));
        let arguments = args.map(|args| Arguments::read(env, environment, args));
        // A fault of the caller's is told even where the lease is lost.
        let arguments = arguments.transpose()?;
        let Some(fence) = held.cloned() else {
            if let Some(arguments) = arguments {
                arguments.give_back(env, environment);
            }
            return Err(PrimaryLeaseError::lease_lost(
                self.of,
                self.cell.token().get(),
            ));
        };
        Ok(Unsent {
            number: environment.next_number(),
            fence,
            cell: self.cell.clone(),
            resource: resource.into(),
            arguments,
        })
    }
}

impl Unsent {
    fn is_complete(&self) -> bool {
        self.arguments.as_ref().is_none_or(Arguments::is_complete)
    }
}

/// Copies a slice of the first that is not sent, and sends what is complete by then.
fn copy(env: &Env, environment: &Rc<Environment>) {
    let Some(mut first) = environment.unsent.borrow_mut().pop_front() else {
        return;
    };
    if let Some(arguments) = &mut first.arguments
        && let Err(error) = arguments.copy_slice(env, environment)
    {
        if let Some(arguments) = first.arguments.take() {
            arguments.give_back(env, environment);
        }
        if let Some(waiting) = environment.fences.borrow_mut().remove(&first.number) {
            waiting.deferred.reject(error);
        }
    } else if first.is_complete() {
        send(env, environment, first);
    } else {
        environment.unsent.borrow_mut().push_front(first);
        return environment.after(Duration::ZERO, copy);
    }
    loop {
        let next = environment.unsent.borrow_mut().pop_front();
        match next {
            Some(next) if next.is_complete() => send(env, environment, next),
            Some(next) => {
                environment.unsent.borrow_mut().push_front(next);
                return environment.after(Duration::ZERO, copy);
            }
            None => return,
        }
    }
}

fn send(env: &Env, environment: &Environment, unsent: Unsent) {
    let Unsent {
        number,
        fence,
        cell,
        resource,
        arguments,
    } = unsent;
    let left = cell.remaining(now());
    if left.is_zero() {
        let waiting = environment.fences.borrow_mut().remove(&number);
        if let Some(Waiting { deferred, question }) = waiting {
            let token = question.token.get();
            deferred.reject(PrimaryLeaseError::lease_lost(&question.of, token));
        }
        return;
    }
    let request = FenceRequest {
        resource,
        lease: fence.lease.clone(),
        token: cell.token(),
        command: arguments.map(Arguments::into_command),
        bound: fence.bound.min(left),
    };
    let channel = environment.channel.clone();
    let sent = driver::fence(&*fence.store, request, move |answer| {
        // Here rather than on the event loop.
        let answer = answer.map(|outcome| outcome.map(Told::from));
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
    answer: std::result::Result<FenceOutcome<Told>, Failure>,
) {
    let waiting = environment.fences.borrow_mut().remove(&number);
    let Some(Waiting { deferred, question }) = waiting else {
        return;
    };
    let settled = match answer {
        Ok(FenceOutcome::Passed(_)) if !question.has_command => Ok(None),
        Ok(FenceOutcome::Passed(told)) => told.into_js(env).map(Some),
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
        Ok(value) => deferred.resolve(value),
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

/// A large value takes Redis some time, however short the ttl is: 40 MB about 0.2 s.
const QUICKEST: Duration = Duration::from_secs(1);

/// An error of Redis's own, as its client libraries name it, with the error's first word as its code.
fn reply_error(env: &Env, words: &str) -> js::Result<Value> {
    let mut error = error::named(env, "ReplyError", words)?;
    let code = words.split(' ').next().unwrap_or_default();
    let is_code = !code.is_empty() && code.bytes().all(|b| b.is_ascii_uppercase());
    js::set(&mut error, "code", Some(if is_code { code } else { "ERR" }))?;
    Ok(js::value(&error))
}
