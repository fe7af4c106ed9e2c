//! `LeaderRunner`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{Object, Unknown};
use napi_derive::napi;

use super::closing::close;
use super::ending::{Caller, Ending};
use super::job::{Job, Resource};
use super::options::RunOptions;
use super::outcome::{failed, outcome_of, start_job};
use crate::binding::environment::{self, Environment};
use crate::binding::error::Result;
use crate::binding::given::{function, text};
use crate::binding::js::{self, Kind, Value};
use crate::binding::promise::{self, Promised};
use crate::binding::shelf::Place;
use crate::driver::now;
use crate::election::scoped::{Refusal, Tick, TickName};
use crate::election::{Time, check_name, compose};
use crate::store::Backend;

/// Runs the jobs of a scheduler that every server has, each tick on one of them.
///
/// Every server calls `runLocked` at every tick; the one that is granted the lease of the job's name
/// runs it, the others skip. The lease is renewed while the job runs, also while it blocks the event
/// loop, and is kept for `minHold` at least, so that a server that is late by less does not run a short
/// job again. With `tick` no lateness does that, with `tickEvery` none below half of it.
#[napi]
pub struct LeaderRunner {
    runner: Rc<Runner>,
}

pub struct Runner {
    pub prefix: String,
    pub options: RunOptions,
    store: Arc<dyn Backend>,
    pub closed: Cell<bool>,
    /// The runs that have not ended.
    jobs: RefCell<Vec<Weak<Job>>>,
    /// When each job was asked for last that `tickEvery` tells the ticks of; and whether it was said
    /// already that this is too long.
    asked: RefCell<HashMap<Arc<str>, Time>>,
    warned: Cell<bool>,
}

#[napi]
impl LeaderRunner {
    /// `lockTTL` is how long the lease of a crashed server keeps its job from being run, in ms: from 100
    /// to 86,400,000.
    ///
    /// Throws `ERR_INVALID_CONFIG` and `ERR_CLOSED` (the process is ending).
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "redis: RedisSource, prefix: string, lockTTL: number, options?: LeaderRunnerOptions"
    )]
    pub fn new(
        env: &Env,
        redis: Unknown,
        prefix: Unknown,
        lock_ttl: Unknown,
        options: Unknown,
    ) -> napi::Result<LeaderRunner> {
        let environment = environment::present(env)?;
        let given = [redis, prefix, lock_ttl, options].map(|given| js::value(&given));
        let runner = Runner::new(env, &environment, given).map_err(|error| error.into_napi(env))?;
        Ok(LeaderRunner {
            runner: Rc::new(runner),
        })
    }

    /// Runs `run` if this server is granted the lease of `name`, and resolves with what became of it.
    /// Never rejects: what a job throws is in the outcome, and in the log.
    ///
    /// `skip` is called where another server runs the job or has just run it, and only there: not when
    /// the job failed, not when Redis did, and never after `run` began.
    ///
    /// Where a promise of nothing is wanted, as by a scheduler's callback, its type is that; nobody has
    /// to say so.
    #[napi(
        catch_unwind,
        ts_generic_types = "Outcome extends RunOutcome | void = RunOutcome",
        ts_args_type = "name: string, run: (lease: Lease) => unknown, skip?: (() => unknown) | null, options?: RunOptions",
        ts_return_type = "Promise<Outcome>"
    )]
    pub fn run_locked(
        &self,
        env: &Env,
        name: Unknown,
        run: Unknown,
        skip: Unknown,
        options: Unknown,
    ) -> napi::Result<Object<'static>> {
        let environment = environment::present(env)?;
        let (deferred, promise) = promise::pending(env)?;
        let promised = Rc::new(RefCell::new(Some(deferred)));
        let given = [name, run, skip, options].map(|given| js::value(&given));
        if let Err(error) = self.runner.run(env, &environment, &promised, given) {
            tracing::error!(
                environment = environment.id,
                prefix = self.runner.prefix,
                %error,
                "a job could not be run"
            );
            let outcome = failed(env, &error)?;
            resolve(&promised, js::value(&outcome));
        }
        Ok(promise)
    }

    /// Begins no more runs, and resolves when those that are under way have ended and their leases are
    /// released: at the latest after `drain` ms (default `lockTTL`), when what still runs is told so by
    /// its `signal` and its lease is released all the same. Where Redis does not answer, a lease that has
    /// run out counts as released. Never rejects but for `ERR_INVALID_CONFIG`.
    ///
    /// Without it, and without waiting for it, the end of the process releases everything.
    #[napi(
        catch_unwind,
        ts_args_type = "options?: {drain?: number}",
        ts_return_type = "Promise<void>"
    )]
    pub fn close(&self, env: &Env, options: Unknown) -> napi::Result<Object<'static>> {
        let environment = environment::present(env)?;
        close(env, &environment, &self.runner, js::value(&options))
    }
}

fn resolve(promised: &Promised, outcome: Value) {
    if let Some(deferred) = promised.take() {
        deferred.resolve(Some(outcome));
    }
}

impl Runner {
    fn new(
        env: &Env,
        environment: &Rc<Environment>,
        [redis, prefix, lock_ttl, options]: [Value; 4],
    ) -> Result<Self> {
        let prefix = text("prefix", prefix)?;
        check_name("prefix", &prefix)?;
        let options = RunOptions::of_runner(env, lock_ttl, options)?;
        let store = environment.backend(env, redis)?;
        Ok(Runner {
            prefix,
            options,
            store,
            closed: Cell::new(false),
            jobs: RefCell::default(),
            asked: RefCell::default(),
            warned: Cell::new(false),
        })
    }

    fn run(
        &self,
        env: &Env,
        environment: &Rc<Environment>,
        promised: &Promised,
        [name, run, skip, options]: [Value; 4],
    ) -> Result<()> {
        let name = text("name", name)?;
        check_name("name", &name)?;
        let resource = compose("prefix with the name", &[&self.prefix, &name])?;
        let run = function("run", run)?;
        let skip = match js::kind(skip)? {
            Kind::Nothing => None,
            _ => Some(function("skip", skip)?),
        };
        let options = self.options.of_run(env, options)?;
        let resource: Arc<str> = resource.into();
        self.watch_period(environment, &resource, &options);
        let mut caller = Scheduled {
            prefix: self.prefix.clone(),
            resource: resource.clone(),
            promised: promised.clone(),
            skip: None,
        };
        if self.closed.get() {
            Box::new(caller).answer(env, environment, Ending::Closed);
            return Ok(());
        }
        caller.skip = match skip {
            Some(skip) => Some(environment.shelf.put(env, skip)?),
            None => None,
        };
        let store = self.store.clone();
        let job = start_job(
            env,
            environment,
            store,
            Resource {
                shown: resource.clone(),
                name: resource,
            },
            options,
            run,
            Box::new(caller),
        )?;
        let mut jobs = self.jobs.borrow_mut();
        jobs.retain(|job| job.strong_count() > 0);
        jobs.push(Rc::downgrade(&job));
        Ok(())
    }

    /// A server asks once for each tick. One that asks again for the tick that it has just asked for has
    /// been given too long a period, and would skip what nobody runs.
    fn watch_period(&self, environment: &Environment, resource: &Arc<str>, options: &RunOptions) {
        let Some(Tick {
            name: TickName::Present,
            memory,
        }) = options.config.tick
        else {
            return;
        };
        let now = now();
        let mut asked = self.asked.borrow_mut();
        if asked.len() >= MOST_WATCHED {
            asked.clear();
        }
        let last = asked.insert(resource.clone(), now);
        let soon = last.is_some_and(|last| now.since(last) < memory);
        if soon && !self.warned.replace(true) {
            tracing::warn!(
                environment = environment.id,
                prefix = self.prefix,
                resource = &**resource,
                tick_every = (memory * 2).as_millis() as u64,
                "a job was asked for twice within half of tickEvery, which is to be the shortest time \
                 between two ticks: one of them is skipped"
            );
        }
    }

    pub fn jobs(&self) -> Vec<Rc<Job>> {
        self.jobs
            .borrow()
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }
}

/// Jobs of so many names are watched: a name that is never used again is not kept for ever.
const MOST_WATCHED: usize = 1_000;

/// Who called `runLocked`.
struct Scheduled {
    prefix: String,
    resource: Arc<str>,
    promised: Promised,
    skip: Option<Place>,
}

impl Caller for Scheduled {
    fn answer(mut self: Box<Self>, env: &Env, environment: &Rc<Environment>, ending: Ending) {
        self.log(env, environment, &ending);
        let skip = self.skip.take();
        let skip = skip.and_then(|skip| environment.shelf.take(env, skip).ok());
        let Ok((outcome, by_another)) = outcome_of(env, &self.resource, ending) else {
            return resolve_nothing(env, &self.promised);
        };
        let outcome = js::value(&outcome);
        match skip.filter(|_| by_another) {
            None => resolve(&self.promised, outcome),
            Some(skip) => {
                if let Err(thrown) = self.skip(env, environment, skip, outcome) {
                    skip_threw(environment, &self.resource, &thrown.0);
                    resolve(&self.promised, outcome);
                }
            }
        }
    }

    fn keep_alive(&self, keep: bool) {
        if let Some(deferred) = &*self.promised.borrow() {
            deferred.keep_alive(keep);
        }
    }

    fn prefix(&self) -> Option<&str> {
        Some(&self.prefix)
    }
}

impl Scheduled {
    /// Calls `skip`, and answers when it is done.
    fn skip(
        &self,
        env: &Env,
        environment: &Rc<Environment>,
        skip: Value,
        outcome: Value,
    ) -> js::Result<()> {
        let nothing = js::make(env, ())?;
        let returned = js::call(env, nothing, skip, &[])?;
        let Some(then) = js::then_of(env, returned)? else {
            resolve(&self.promised, outcome);
            return Ok(());
        };
        let kept = Rc::new(Cell::new(Some(environment.shelf.put(env, outcome)?)));
        let on = |name: &str, threw: bool| {
            let (kept, promised) = (kept.clone(), self.promised.clone());
            let resource = self.resource.clone();
            js::function(env, name, move |env, value| {
                let Some(environment) = environment::existing() else {
                    return;
                };
                if threw {
                    let error = value.map(|value| js::show(env, value)).unwrap_or_default();
                    skip_threw(&environment, &resource, &error);
                }
                let outcome = kept.take().map(|place| environment.shelf.take(env, place));
                if let Some(Ok(outcome)) = outcome {
                    resolve(&promised, outcome);
                }
            })
        };
        let handlers = [on("skipped", false)?, on("skipFailed", true)?];
        js::call(env, returned, then, &handlers)?;
        Ok(())
    }

    fn log(&self, env: &Env, environment: &Environment, ending: &Ending) {
        let (id, resource) = (environment.id, &*self.resource);
        match ending {
            Ending::Threw { error, .. } => {
                let error = js::show(env, *error);
                tracing::error!(environment = id, resource, error, "a job failed");
            }
            Ending::Refused(refusal) => {
                if let Refusal::Unavailable { cause } | Refusal::Denied { cause } = refusal {
                    tracing::error!(environment = id, resource, %cause, "a job was not run: redis is unavailable");
                }
            }
            Ending::Lost { token, .. } => {
                tracing::error!(
                    environment = id,
                    resource,
                    token,
                    "a job ran on without its lease"
                );
            }
            Ending::Broke => tracing::error!(environment = id, resource, "the run of a job broke"),
            Ending::Returned { .. } | Ending::Closed => {}
        }
    }
}

fn skip_threw(environment: &Environment, resource: &str, error: &str) {
    tracing::error!(
        environment = environment.id,
        resource,
        error,
        "the skip function of a job failed"
    );
}

/// Node-API refused to make an object: the environment is ending.
fn resolve_nothing(env: &Env, promised: &Promised) {
    if let Ok(nothing) = js::make(env, ()) {
        resolve(promised, nothing);
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
