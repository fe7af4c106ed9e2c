//! `withLease`.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{Object, Unknown};
use napi_derive::napi;

use super::ending::{Caller, Ending};
use super::job::{Job, Resource};
use super::options::RunOptions;
use super::outcome::{lost, refused, start_job};
use crate::binding::environment::{self, Environment};
use crate::binding::error::{Code, PrimaryLeaseError, Result};
use crate::binding::given::{function, text};
use crate::binding::js::{self, Value};
use crate::binding::promise::{self, Deferred, Promised};
use crate::binding::shelf::Place;
use crate::election::scoped::Refusal;
use crate::election::{check_name, compose};

/// Runs `run` while this server holds the lease of `resource`, and resolves with what it returned.
///
/// The lease is renewed in the background while `run` is pending, also while it blocks the event loop,
/// and released when it has settled. It is for one run: nobody waits for it between two of them.
///
/// Rejects with the error of `run`, or with `ERR_LEASE_HELD` (another holds it, has held it less than
/// `minHold` ago, or has run this tick), `ERR_STORE_UNAVAILABLE` (no answer from Redis for
/// `acquireTimeout`), `ERR_STORE_DENIED`, `ERR_LEASE_LOST` (it was lost during the run, or the run
/// took longer than `maxRun`; with the `result` of the run if it finished, or its error as the
/// `cause`), `ERR_INVALID_CONFIG` (an argument) and `ERR_CLOSED` (the process is ending, or the lease
/// could not be handed over, in which case it was given up).
#[napi(
    catch_unwind,
    ts_generic_types = "T",
    ts_args_type = "redis: RedisSource, resource: string, options: LeaseOptions, run: (lease: Lease) => T | Promise<T>",
    ts_return_type = "Promise<T>"
)]
pub fn with_lease(
    env: &Env,
    redis: Unknown,
    resource: Unknown,
    options: Unknown,
    run: Unknown,
) -> napi::Result<Object<'static>> {
    let environment = environment::present(env)?;
    let (deferred, promise) = promise::pending(env)?;
    let deferred = Rc::new(RefCell::new(Some(deferred)));
    let given = [redis, resource, options, run].map(|given| js::value(&given));
    if let Err(error) = begin(env, &environment, &deferred, given)
        && let Some(deferred) = deferred.take()
    {
        deferred.reject(error);
    }
    Ok(promise)
}

fn begin(
    env: &Env,
    environment: &Rc<Environment>,
    promised: &Promised,
    [redis, resource, options, run]: [Value; 4],
) -> Result<()> {
    let resource = text("resource", resource)?;
    check_name("resource", &resource)?;
    let name = compose("resource", &[&resource])?;
    let (options, signal) = RunOptions::of_with_lease(env, options)?;
    let run = function("run", run)?;
    let store = environment.backend(env, redis)?;
    if let Some(signal) = signal
        && js::is_true(js::get(env, signal, "aborted")?)
    {
        let reason = js::get(env, signal, "reason")?;
        if let Some(deferred) = promised.take() {
            deferred.reject_with(reason);
        }
        return Ok(());
    }
    let shown: Arc<str> = resource.into();
    let caller = Waiting {
        resource: shown.clone(),
        promised: promised.clone(),
        signal: Rc::default(),
    };
    let waiting = caller.signal.clone();
    let job = start_job(
        env,
        environment,
        store,
        Resource {
            shown,
            name: name.into(),
        },
        options,
        run,
        Box::new(caller),
    )?;
    if let Some(signal) = signal {
        match Heeded::new(env, environment, signal, &job) {
            Ok(heeded) => *waiting.borrow_mut() = Some(heeded),
            Err(thrown) => {
                // Told first: nothing runs for a caller who was refused.
                if let Some(deferred) = promised.take() {
                    deferred.reject(thrown.into());
                }
                job.abandon(env, environment, Ending::Refused(Refusal::Abandoned));
            }
        }
    }
    Ok(())
}

/// Who called `withLease`.
struct Waiting {
    resource: Arc<str>,
    promised: Promised,
    signal: Rc<RefCell<Option<Heeded>>>,
}

impl Caller for Waiting {
    fn answer(self: Box<Self>, env: &Env, environment: &Rc<Environment>, ending: Ending) {
        let reason = self
            .signal
            .take()
            .and_then(|signal| signal.stop(env, environment));
        let Some(deferred) = self.promised.take() else {
            return;
        };
        let resource = &*self.resource;
        let reject = |deferred: Deferred, code, message: String| {
            deferred.reject(PrimaryLeaseError::new(code, message));
        };
        match ending {
            Ending::Returned { value, .. } => deferred.resolve(Some(value)),
            Ending::Threw { error, .. } => deferred.reject_with(error),
            Ending::Refused(Refusal::Abandoned) if reason.is_some() => {
                if let Some(reason) = reason {
                    deferred.reject_with(reason);
                }
            }
            Ending::Refused(refusal) => {
                let (code, message) = refused(resource, &refusal);
                reject(deferred, code, message);
            }
            Ending::Lost {
                token,
                loss,
                result,
            } => {
                let error = PrimaryLeaseError::new(Code::LeaseLost, lost(resource, token, loss));
                match with_result(env, &error, result) {
                    Ok(error) => deferred.reject_with(error),
                    Err(_) => deferred.reject(error),
                }
            }
            Ending::Closed | Ending::Broke => {
                reject(
                    deferred,
                    Code::Closed,
                    format!("the run of {resource:?} broke"),
                );
            }
        }
    }

    fn keep_alive(&self, keep: bool) {
        if let Some(deferred) = &*self.promised.borrow() {
            deferred.keep_alive(keep);
        }
    }
}

fn with_result(
    env: &Env,
    error: &PrimaryLeaseError,
    result: Option<std::result::Result<Value, Value>>,
) -> js::Result<Value> {
    let mut error = error.to_js(env)?;
    match result {
        Some(Ok(value)) => js::set(&mut error, "result", Some(value))?,
        Some(Err(cause)) => js::set(&mut error, "cause", Some(cause))?,
        None => {}
    }
    Ok(js::value(&error))
}

/// The caller's signal, while it can still end the wait for the lease.
struct Heeded {
    signal: Place,
    listener: Place,
}

impl Heeded {
    fn new(
        env: &Env,
        environment: &Rc<Environment>,
        signal: Value,
        job: &Rc<Job>,
    ) -> js::Result<Self> {
        let job = Rc::downgrade(job);
        let listener = js::function(env, "abandon", move |env, _| {
            if let (Some(job), Some(environment)) = (job.upgrade(), environment::existing()) {
                job.abandon(env, &environment, Ending::Refused(Refusal::Abandoned));
            }
        })?;
        let event = js::make(env, "abort")?;
        js::invoke(env, signal, "addEventListener", &[event, listener])?;
        Ok(Heeded {
            signal: environment.shelf.put(env, signal)?,
            listener: environment.shelf.put(env, listener)?,
        })
    }

    /// Heeds it no more; its reason, where it was aborted.
    fn stop(self, env: &Env, environment: &Environment) -> Option<Value> {
        let signal = environment.shelf.take(env, self.signal).ok()?;
        let listener = environment.shelf.take(env, self.listener).ok()?;
        let event = js::make(env, "abort").ok()?;
        js::invoke(env, signal, "removeEventListener", &[event, listener]).ok()?;
        let aborted = js::is_true(js::get(env, signal, "aborted").ok()?);
        aborted
            .then(|| js::get(env, signal, "reason").ok())
            .flatten()
    }
}
