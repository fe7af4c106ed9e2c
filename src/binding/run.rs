//! The lease of one run, from the question for it to its release.

use std::cell::{Cell, RefCell};
use std::mem::take;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::{Either, External};
use napi_derive::napi;

use super::environment::{Channel, Environment, Feature, Leaving, Member, existing, guarded};
use super::error::{Cause, Result, ending};
use super::events::{Attachment, EventKind, Events, heartbeat};
use super::exit::present;
use super::options::{duration, run_options};
use super::source::OpenStore;
use crate::driver::{
    Fence, LeaseCell, RunChange, RunHandle, RunSettings, RunSink, RunStart, hand_over, now,
    reason_word,
};
use crate::election::run::Refusal;
use crate::election::{check_name, compose};
use crate::store::{Backend, fenced_lease};

/// A run whose lease is asked for, held or being released.
pub struct Run {
    handle: RunHandle,
    exit_timeout: Duration,
    store: Arc<dyn Backend>,
    resource: Arc<str>,
    ttl: Duration,
    /// The lease that the layer was told of, and under which it has begun to work.
    begun: RefCell<Option<Arc<LeaseCell>>>,
}

/// The runs of an environment and the background.
#[derive(Default)]
struct EnvironmentRuns {
    /// The first that is said in a turn of the event loop is handed over at once, since nobody knows how long the
    /// turn lasts; the rest at its end.
    first_went: Cell<bool>,
    /// What the background tells, of each layer.
    changes: RefCell<Vec<Arc<LayerChanges>>>,
}

impl Feature for EnvironmentRuns {
    fn leaving(&self) {
        self.hand_over();
    }
}

impl EnvironmentRuns {
    /// Something was said of a run.
    fn said(&self) {
        if !self.first_went.replace(true) {
            hand_over();
        }
    }

    fn hand_over(&self) {
        self.first_went.set(false);
        hand_over();
    }

    fn changes(&self, channel: &Channel, layer: u64) -> Arc<LayerChanges> {
        let mut all = self.changes.borrow_mut();
        let known = all.iter().find(|changes| changes.layer == layer).cloned();
        known.unwrap_or_else(|| {
            let changes = Arc::new(LayerChanges {
                channel: channel.clone(),
                layer,
                waiting: Arc::default(),
            });
            all.push(changes.clone());
            changes
        })
    }
}

/// What was told of the runs of a layer, on its way to the thread of the environment: all at once.
struct LayerChanges {
    channel: Channel,
    layer: u64,
    waiting: Arc<Mutex<Vec<(u64, RunChange)>>>,
}

impl RunSink for LayerChanges {
    fn tell(&self, run: u64, change: RunChange) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push((run, change));
        if waiting.len() > 1 {
            return;
        }
        drop(waiting);
        let (waiting, layer) = (self.waiting.clone(), self.layer);
        self.channel.send(move |env, environment| {
            let told = take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
            for (run, change) in told {
                guarded(|| hear(env, environment, layer, run, change));
            }
        });
    }
}

impl Run {
    pub fn fence(&self) -> Fence {
        Fence::of_lease(self.store.clone(), &self.resource, self.ttl)
    }
}

impl Member for Run {
    fn leave(&self) -> Option<Leaving> {
        match &*self.begun.borrow() {
            Some(cell) => {
                cell.end();
                self.handle.release();
            }
            None => self.handle.abandon(),
        }
        let end = self.handle.end();
        Some(Leaving {
            timeout: self.exit_timeout,
            wait: Box::new(move |until| {
                end.wait(until);
            }),
        })
    }
}

/// The resource of a runner's job; without a name, its prefix alone is checked.
#[napi(catch_unwind)]
pub fn job_resource(prefix: String, name: Option<String>) -> Result<String> {
    Ok(resource_of(prefix, name)?)
}

/// By which name resources know the lease of a run.
#[napi(catch_unwind)]
pub fn lease_name(resource: String, of_runner: bool) -> Result<String> {
    let name = name_of(&resource, of_runner)?;
    Ok(fenced_lease(&name).to_string())
}

/// The name of a resource in the store; that of a runner's job is one already.
fn name_of(resource: &str, of_runner: bool) -> std::result::Result<String, Cause> {
    match of_runner {
        true => Ok(resource.into()),
        false => {
            check_name("resource", resource)?;
            // Mostly it is its own name.
            match resource.contains([':', '%']) {
                true => Ok(compose("resource", &[resource])?),
                false => Ok(resource.into()),
            }
        }
    }
}

fn resource_of(prefix: String, name: Option<String>) -> std::result::Result<String, Cause> {
    check_name("prefix", &prefix)?;
    let Some(name) = name else {
        return Ok(prefix);
    };
    check_name("name", &name)?;
    Ok(compose("prefix with the name", &[&prefix, &name])?)
}

/// Throws what `beginRun` would throw for these options: the list that it reads.
#[napi(catch_unwind)]
pub fn check_run(env: &Env, layer: f64) -> Result<()> {
    let (_, layer) = layer_of(env, layer)?;
    RunSettings::new(&run_options(&layer.numbers)).map_err(Cause::from)?;
    Ok(())
}

/// Asks for the lease of a run, with the options in the layer's list of numbers, and returns its number. An event
/// says what came of it.
#[napi(
    catch_unwind,
    ts_args_type = "layer: number, store: ExternalObject<unknown>, resource: string"
)]
pub fn begin_run(
    env: &Env,
    layer: f64,
    store: &External<OpenStore>,
    resource: String,
) -> Result<f64> {
    let (environment, layer) = layer_of(env, layer)?;
    Ok(begin(&environment, &layer, store, &resource)? as f64)
}

fn begin(
    environment: &Rc<Environment>,
    layer: &Attachment,
    store: &OpenStore,
    resource: &str,
) -> std::result::Result<u64, Cause> {
    let options = run_options(&layer.numbers);
    let resource = &*name_of(resource, options.of_runner)?;
    let settings = RunSettings::new(&options)?;
    if environment.closed.get() {
        return Err(ending());
    }
    let stall = match settings.stall_timeout {
        Some(timeout) => Some((heartbeat(environment)?, timeout)),
        None => None,
    };
    let number = environment.next_number();
    let runs = environment.feature::<EnvironmentRuns>();
    let (resource, ttl): (Arc<str>, _) = (resource.into(), settings.config.ttl);
    let handle = RunHandle::start(RunStart {
        store: store.0.clone(),
        resource: resource.clone(),
        config: settings.config,
        max_run: settings.max_run,
        stall,
        sink: runs.changes(&environment.channel, layer.number),
        number,
    })?;
    let run = Run {
        handle,
        exit_timeout: settings.exit_timeout,
        store: store.0.clone(),
        resource,
        ttl,
        begun: RefCell::default(),
    };
    environment.add(number, Rc::new(run));
    runs.said();
    Ok(number)
}

/// The run is over: its lease is not held from here on, and released.
#[napi(catch_unwind)]
pub fn release_run(run: f64) {
    with(run, |environment, run| {
        environment.end_lease(run);
        if let Some(run) = environment.member::<Run>(run) {
            run.handle.release();
            environment.feature::<EnvironmentRuns>().said();
        }
    });
}

/// What runs are begun and released from here on is handed over together, with `handOverRuns`.
#[napi(catch_unwind)]
pub fn collect_runs() {
    if let Some(environment) = existing() {
        environment
            .feature::<EnvironmentRuns>()
            .first_went
            .set(true);
    }
}

/// Hands over what was asked for since the last call, beside the first of it where it was not collected: to be called
/// once after each turn of the event loop in which a run was begun or released.
#[napi(catch_unwind)]
pub fn hand_over_runs() {
    if let Some(environment) = existing() {
        environment.feature::<EnvironmentRuns>().hand_over();
    }
}

/// The run of a tick begins: the tick is used up.
#[napi(catch_unwind)]
pub fn start_tick(run: f64) {
    with(run, |environment, run| {
        if let Some(run) = environment.member::<Run>(run) {
            run.handle.begin();
        }
    });
}

/// The run may go on for so many ms, and its lease is released all the same.
#[napi(catch_unwind)]
pub fn release_run_after(run: f64, ms: f64) {
    with(run, |environment, run| {
        if let Some(run) = environment.member::<Run>(run) {
            run.handle.release_at(now() + duration(ms));
        }
    });
}

/// No run has begun, and none will.
#[napi(catch_unwind)]
pub fn abandon_run(run: f64) {
    with(run, |environment, run| {
        if let Some(run) = environment.member::<Run>(run) {
            run.handle.abandon();
        }
    });
}

/// No run has begun, because the grant had run out when it was noticed: it is asked for again.
#[napi(catch_unwind)]
pub fn miss_run(run: f64) {
    with(run, |environment, run| {
        environment.end_lease(run);
        if let Some(run) = environment.member::<Run>(run) {
            *run.begun.borrow_mut() = None;
            run.handle.miss();
        }
    });
}

fn with(run: f64, act: impl FnOnce(&Environment, u64)) {
    if let Some(environment) = existing() {
        act(&environment, run as u64);
    }
}

fn layer_of(env: &Env, layer: f64) -> Result<(Rc<Environment>, Rc<Attachment>)> {
    let environment = present(env).map_err(Cause::from)?;
    let events = environment.feature::<Events>();
    match events.attachment(layer as u64) {
        Some(layer) => Ok((environment, layer)),
        None => Err(ending().into()),
    }
}

fn hear(env: &Env, environment: &Rc<Environment>, layer: u64, run: u64, change: RunChange) {
    let Some(layer) = environment.feature::<Events>().attachment(layer) else {
        return;
    };
    let tell = |kind, number| layer.tell(env, kind, run, number);
    let tell_text = |kind, text: &str| layer.tell_extra(env, kind, run, Either::A(text.into()));
    match change {
        RunChange::Granted(cell) => {
            let token = cell.token().get() as f64;
            if let Some(begun) = environment.member::<Run>(run) {
                *begun.begun.borrow_mut() = Some(cell.clone());
            }
            environment.begin_lease(run, cell);
            return tell(EventKind::Granted, token);
        }
        RunChange::Lost(end) => {
            environment.end_lease(run);
            return tell_text(EventKind::Lost, reason_word(end.reason));
        }
        RunChange::Overrun => {
            environment.end_lease(run);
            return tell(EventKind::Overrun, 0.0);
        }
        RunChange::LongRun(held) => {
            return tell(EventKind::LongRun, held.as_millis() as f64);
        }
        RunChange::Cut => {
            environment.end_lease(run);
            return tell(EventKind::Cut, 0.0);
        }
        RunChange::Refused(Refusal::Held) => tell(EventKind::Held, 0.0),
        RunChange::Refused(Refusal::Ran) => tell(EventKind::Ran, 0.0),
        RunChange::Refused(Refusal::Abandoned) => tell(EventKind::Abandoned, 0.0),
        RunChange::Refused(Refusal::Unavailable { cause }) => {
            tell_text(EventKind::Unavailable, &cause);
        }
        RunChange::Refused(Refusal::Denied { cause }) => tell_text(EventKind::Denied, &cause),
        RunChange::Released => tell(EventKind::Released, 0.0),
        RunChange::Failed => tell(EventKind::Failed, 0.0),
    }
    // Nothing follows.
    environment.end_lease(run);
    environment.remove(run);
}
