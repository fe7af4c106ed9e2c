//! What becomes of a run: how it is begun, and what `runLocked` says of it.

use std::rc::Rc;
use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::Object;

use super::ending::{Caller, Ending, Loss};
use super::job::{Job, Resource};
use super::options::RunOptions;
use crate::binding::async_context::AsyncContext;
use crate::binding::environment::{Delivery, Environment};
use crate::binding::error::{Code, PrimaryLeaseError, Result};
use crate::binding::js::{self, Value};
use crate::driver::{RunHandle, RunStart};
use crate::election::scoped::Refusal;
use crate::store::{Backend, ScopedStore};

/// Asks for the lease of a run.
pub fn start_job(
    env: &Env,
    environment: &Rc<Environment>,
    store: Arc<dyn Backend>,
    resource: Resource,
    options: RunOptions,
    run: Value,
    caller: Box<dyn Caller>,
) -> Result<Rc<Job>> {
    let number = environment.next_number();
    let broken = |error| PrimaryLeaseError::no_thread(&error);
    if environment.closed.get() {
        return Err(PrimaryLeaseError::new(
            Code::Closed,
            "the process is ending",
        ));
    }
    let stall = match options.stall_timeout {
        Some(timeout) => Some((environment.heartbeat().map_err(broken)?, timeout)),
        None => None,
    };
    let function = (
        environment.shelf.put(env, run)?,
        AsyncContext::capture(env)?,
    );
    let scoped: Arc<dyn ScopedStore> = store.clone();
    let channel = environment.channel.clone();
    let handle = RunHandle::start(RunStart {
        store: scoped,
        resource: resource.name.clone(),
        config: options.config.clone(),
        max_run: options.max_run,
        stall,
        sink: Box::new(move |change| {
            channel.send(Delivery::Run {
                job: number,
                change,
            });
        }),
    })
    .map_err(broken)?;
    let job = Job::new(number, resource, &options, store, handle, function, caller);
    environment.jobs.borrow_mut().insert(number, job.clone());
    Ok(job)
}

/// A `RunOutcome`, and whether somebody else runs the job instead.
pub fn outcome_of(
    env: &Env,
    resource: &str,
    ending: Ending,
) -> js::Result<(Object<'static>, bool)> {
    let mut outcome = js::object(env)?;
    let word = |object: &mut Object, word: &str| js::set(object, "outcome", Some(word));
    let mut by_another = false;
    match ending {
        Ending::Returned { token, .. } => {
            word(&mut outcome, "ran")?;
            js::set(&mut outcome, "token", Some(token))?;
        }
        Ending::Threw { token, error } => {
            word(&mut outcome, "failed")?;
            js::set(&mut outcome, "token", Some(token))?;
            js::set(&mut outcome, "error", Some(error))?;
        }
        Ending::Refused(Refusal::Held) => {
            by_another = true;
            word(&mut outcome, "skipped")?;
            js::set(&mut outcome, "reason", Some("held"))?;
        }
        Ending::Refused(Refusal::Ran) => {
            by_another = true;
            word(&mut outcome, "skipped")?;
            js::set(&mut outcome, "reason", Some("ran"))?;
        }
        Ending::Closed | Ending::Refused(Refusal::Abandoned) => {
            word(&mut outcome, "skipped")?;
            js::set(&mut outcome, "reason", Some("closed"))?;
        }
        Ending::Refused(refusal) => {
            let (code, message) = refused(resource, &refusal);
            let error = PrimaryLeaseError::new(code, message).to_js(env)?;
            word(&mut outcome, "unavailable")?;
            js::set(&mut outcome, "error", Some(js::value(&error)))?;
        }
        Ending::Lost { token, loss, .. } => {
            let error = PrimaryLeaseError::new(Code::LeaseLost, lost(resource, token, loss));
            word(&mut outcome, "lost")?;
            js::set(&mut outcome, "token", Some(token))?;
            js::set(&mut outcome, "reason", Some(loss.word()))?;
            js::set(&mut outcome, "error", Some(js::value(&error.to_js(env)?)))?;
        }
        Ending::Broke => {
            let message = format!("the run of {resource:?} broke");
            let error = PrimaryLeaseError::new(Code::Closed, message).to_js(env)?;
            word(&mut outcome, "unavailable")?;
            js::set(&mut outcome, "error", Some(js::value(&error)))?;
        }
    }
    Ok((outcome, by_another))
}

/// What a refusal is to a caller.
pub fn refused(resource: &str, refusal: &Refusal) -> (Code, String) {
    match refusal {
        Refusal::Held => (
            Code::LeaseHeld,
            format!("the lease of {resource:?} is held by another, or was until just now"),
        ),
        Refusal::Ran => (
            Code::LeaseHeld,
            format!("this tick of {resource:?} was run by another, or is being run"),
        ),
        Refusal::Unavailable { cause } => (
            Code::StoreUnavailable,
            format!("no answer about the lease of {resource:?}: {cause}"),
        ),
        Refusal::Denied { cause } => (
            Code::StoreDenied,
            format!("redis refuses this server: {}", cause.trim_end_matches('.')),
        ),
        Refusal::Abandoned => (
            Code::Closed,
            format!("the run of {resource:?} was given up"),
        ),
    }
}

/// What the loss of a lease is to a caller.
pub fn lost(resource: &str, token: f64, loss: Loss) -> String {
    match loss {
        Loss::By(reason) => format!("the lease {token} of {resource:?} was lost: {reason}"),
        Loss::Overrun => {
            format!("the run of {resource:?} under the lease {token} took longer than maxRun")
        }
    }
}

/// The outcome of a run that never was asked for: an argument was wrong.
pub fn failed(env: &Env, error: &PrimaryLeaseError) -> js::Result<Object<'static>> {
    let mut outcome = js::object(env)?;
    js::set(&mut outcome, "outcome", Some("failed"))?;
    js::set(&mut outcome, "error", Some(js::value(&error.to_js(env)?)))?;
    Ok(outcome)
}
