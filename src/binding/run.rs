//! The lease of one run, from the question for it to its release.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::{External, FunctionCallContext};
use napi_derive::napi;

use super::environment::{Channel, Environment, Feature, Leaving, Member, existing, guarded};
use super::error::{Cause, Result, ending};
use super::events::{Attachment, EventKind, Events, heartbeat};
use super::exit::present;
use super::node;
use super::options::{duration, run_options};
use super::source::OpenStore;
use crate::driver::{
    Fence, LeaseCell, RunChange, RunHandle, RunSettings, RunSink, RunStart, Taken, hand_over, now,
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
    least_to_begin: Duration,
    /// The lease that the layer was told of.
    granted: RefCell<Option<Arc<LeaseCell>>>,
    /// Where the layer keeps it.
    place: u32,
}

/// What the background tells of runs, of each layer.
#[derive(Default)]
struct EnvironmentRuns(RefCell<Vec<Arc<LayerChanges>>>);

impl Feature for EnvironmentRuns {
    fn leaving(&self) {
        hand_over();
    }
}

impl EnvironmentRuns {
    fn changes(&self, channel: &Channel, layer: u64) -> Arc<LayerChanges> {
        let mut all = self.0.borrow_mut();
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
    waiting: Arc<Mutex<WaitingChanges>>,
}

#[derive(Default)]
struct WaitingChanges {
    told: VecDeque<(u64, RunChange)>,
    /// Somebody comes for them.
    announced: bool,
}

impl WaitingChanges {
    /// The next of them, and whether somebody has to come again.
    fn take_some(&mut self) -> (Vec<(u64, RunChange)>, bool) {
        let some = self.told.drain(..self.told.len().min(AT_ONCE)).collect();
        self.announced = !self.told.is_empty();
        if !self.announced {
            // What one burst took is not kept without end.
            self.told.shrink_to(AT_ONCE);
        }
        (some, self.announced)
    }
}

/// So many are told in one call, behind which JavaScript does what follows from it. A run that is begun there is over
/// only behind all that are begun with it: of thousands the lease of the first would have run out by then.
const AT_ONCE: usize = 256;

impl LayerChanges {
    /// Sees to it that they are brought.
    fn announce(&self) {
        if std::mem::replace(&mut waiting(&self.waiting).announced, true) {
            return;
        }
        let (all, layer) = (self.waiting.clone(), self.layer);
        let bring = move |env: &Env, environment: &Rc<Environment>| {
            bring(env, environment, layer, all);
        };
        self.channel.send(bring);
    }
}

fn bring(env: &Env, environment: &Rc<Environment>, number: u64, all: Arc<Mutex<WaitingChanges>>) {
    let (told, more) = waiting(&all).take_some();
    if let Some(layer) = environment.feature::<Events>().attachment(number) {
        for (run, change) in told {
            guarded(|| hear(env, environment, &layer, run, change));
        }
    }
    if more {
        let go_on = move |env: &Env, environment: &Rc<Environment>| {
            bring(env, environment, number, all);
        };
        environment.channel.send_behind_this(go_on);
    }
}

impl RunSink for LayerChanges {
    fn tell(&self, run: u64, change: RunChange) {
        self.leave(run, change);
        self.announce();
    }

    fn leave(&self, run: u64, change: RunChange) {
        waiting(&self.waiting).told.push_back((run, change));
    }
}

/// Nothing is left half-written under this lock, so a panic elsewhere does not spoil it.
fn waiting(of: &Mutex<WaitingChanges>) -> MutexGuard<'_, WaitingChanges> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run {
    pub fn fence(&self) -> Fence {
        Fence::of_lease(self.store.clone(), &self.resource, self.ttl)
    }
}

impl Member for Run {
    fn leave(&self) -> Option<Leaving> {
        let granted = self.granted.borrow();
        let has_begun = granted.as_ref().is_some_and(|cell| cell.is_taken());
        if let Some(cell) = &*granted {
            cell.end();
        }
        match has_begun {
            true => self.handle.release(),
            false => self.handle.abandon(),
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
fn name_of(resource: &str, of_runner: bool) -> std::result::Result<Cow<'_, str>, Cause> {
    match of_runner {
        true => Ok(resource.into()),
        false => {
            check_name("resource", resource)?;
            // Mostly it is its own name.
            match resource.contains([':', '%']) {
                true => Ok(compose("resource", &[resource])?.into()),
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

/// Refuses what [`begin_run`] would refuse of these options.
pub fn check_run(layer: &Attachment) -> std::result::Result<(), Cause> {
    RunSettings::new(&run_options(&layer.numbers))?;
    Ok(())
}

/// Asks for the lease of a run of a resource in a store, with the options among the layer's numbers, and returns its
/// number. An event says what came of it, of the run at this place. Before that, the runs that are over are ended.
pub fn begin_run(
    layer: &Attachment,
    call: &FunctionCallContext,
) -> std::result::Result<f64, Cause> {
    let environment = present(call.env)?;
    // What ended before it may be what it asks for.
    end(&environment, layer);
    let store: &External<OpenStore> = call.get(0)?;
    let mut memory = [0; USUAL_RESOURCE];
    let resource = node::text(call.env, &call.get(1)?, &mut memory)?;
    Ok(begin(&environment, layer, store, &resource)? as f64)
}

/// In bytes.
const USUAL_RESOURCE: usize = 256;

fn begin(
    environment: &Rc<Environment>,
    layer: &Attachment,
    store: &OpenStore,
    resource: &str,
) -> std::result::Result<u64, Cause> {
    let options = run_options(&layer.numbers);
    let place = layer.subject() as u32;
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
    let least_to_begin = settings.config.least_to_begin();
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
        least_to_begin,
        granted: RefCell::default(),
        place,
    };
    environment.add(number, Rc::new(run));
    Ok(number)
}

/// Hands over what was asked for since the last call: to wake another thread costs as much as all the rest of a run.
/// Before that, the runs that are over are ended.
pub fn hand_over_runs(layer: &Attachment) {
    if let Some(environment) = existing() {
        end(&environment, layer);
        hand_over();
    }
}

/// Those runs of the layer are over: their leases are not held from here on, and released.
fn end(environment: &Environment, layer: &Attachment) {
    let over = layer.over();
    if over.is_empty() {
        return;
    }
    let at = now();
    for run in over {
        let run = *run as u64;
        environment.finish_lease(run, at);
        if let Some(run) = environment.member::<Run>(run) {
            run.handle.release();
        }
    }
}

/// The run begins, with its tick used up where it is of one: true if its lease is held, for long enough. Where it
/// is not it is asked for again, and an event says what came of that.
pub fn take_run(layer: &Attachment) -> bool {
    let Some(environment) = existing() else {
        return false;
    };
    let number = layer.subject() as u64;
    let Some(run) = environment.member::<Run>(number) else {
        return false;
    };
    let taken = match &*run.granted.borrow() {
        Some(cell) => cell.take(now(), run.least_to_begin),
        None => Taken::TooLate,
    };
    match taken {
        Taken::InTime if !layer.is_of_tick() => {}
        Taken::InTime | Taken::Late => run.handle.begin(),
        Taken::TooLate => {
            environment.end_lease(number);
            *run.granted.borrow_mut() = None;
            run.handle.miss();
        }
    }
    taken != Taken::TooLate
}

/// The run may go on for so many ms, and its lease is released anyway.
#[napi(catch_unwind)]
pub fn release_run_after(run: f64, ms: f64) {
    with(run, |environment, run| {
        if let Some(run) = environment.member::<Run>(run) {
            run.handle.release_at(now() + duration(ms));
        }
    });
}

/// Somebody waits until its release is confirmed, though its caller did not.
#[napi(catch_unwind)]
pub fn await_release(run: f64) {
    with(run, |environment, run| {
        if let Some(run) = environment.member::<Run>(run) {
            run.handle.watch();
        }
        // It may be confirmed already.
        for changes in &*environment.feature::<EnvironmentRuns>().0.borrow() {
            changes.announce();
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

fn with(run: f64, act: impl FnOnce(&Environment, u64)) {
    if let Some(environment) = existing() {
        act(&environment, run as u64);
    }
}

fn hear(
    env: &Env,
    environment: &Rc<Environment>,
    layer: &Attachment,
    number: u64,
    change: RunChange,
) {
    let Some(run) = environment.member::<Run>(number) else {
        return;
    };
    let tell = |kind, number| layer.tell(env, kind, run.place, number);
    let tell_text = |kind, text: &str| layer.tell_text(env, kind, run.place, text);
    match change {
        RunChange::Granted(cell) => {
            let token = cell.token().get() as f64;
            *run.granted.borrow_mut() = Some(cell.clone());
            environment.begin_lease(number, cell);
            return tell(EventKind::Granted, token);
        }
        RunChange::Lost(end) => {
            environment.end_lease(number);
            return tell_text(EventKind::Lost, end.reason.word());
        }
        RunChange::Overrun => {
            environment.end_lease(number);
            return tell(EventKind::Overrun, 0.0);
        }
        RunChange::LongRun(held) => {
            return tell(EventKind::LongRun, held.as_millis() as f64);
        }
        RunChange::Cut => {
            environment.end_lease(number);
            return tell(EventKind::Cut, 0.0);
        }
        RunChange::Sent => return tell(EventKind::Sent, 0.0),
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
    environment.end_lease(number);
    environment.remove(number);
}
