//! One run of a job, from the question for its lease to its release, as JavaScript sees it.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use napi::Env;

use super::ending::{Caller, Ending, Loss};
use super::lease::{Lease, abort};
use super::options::RunOptions;
use crate::binding::async_context::AsyncContext;
use crate::binding::environment::{self, Environment};
use crate::binding::js::{self, Value};
use crate::binding::promise::Gathering;
use crate::binding::shelf::Place;
use crate::driver::{LeaseCell, RunChange, RunHandle, now, reason_word};
use crate::election::Reason;
use crate::election::scoped::ScopedEnd;
use crate::store::Backend;

/// What a run has the lease of.
pub struct Resource {
    /// As it is shown to people.
    pub shown: Arc<str>,
    /// As the store knows it.
    pub name: Arc<str>,
}

pub struct Job {
    pub number: u64,
    /// As it is shown to people.
    pub resource: Arc<str>,
    /// As the store knows it.
    pub name: Arc<str>,
    pub exit_timeout: Duration,
    /// Where its lease is, and what that can ask of resources.
    pub store: Arc<dyn Backend>,
    pub ttl: Duration,
    /// It has a `maxRun`: the caller is answered in any case, and can be waited for.
    bounded: bool,
    /// It is the run of a tick: others wait to learn that it has begun.
    of_tick: bool,
    handle: RunHandle,
    stage: Cell<Stage>,
    /// What is called when the lease is granted, in the context of whoever asked.
    function: RefCell<Option<(Place, AsyncContext)>>,
    /// Who waits for the end.
    caller: RefCell<Option<Box<dyn Caller>>>,
    pub cell: RefCell<Option<Arc<LeaseCell>>>,
    /// The controller of the lease's signal, once somebody has asked for that.
    pub controller: RefCell<Option<Place>>,
    /// How the lease ended before the run did.
    lost: Cell<Option<Loss>>,
    result: RefCell<Option<(bool, Place)>>,
    /// Those who wait until the lease is released.
    leaving: RefCell<Vec<Rc<Gathering>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asking,
    /// Nobody wants it any more, and the store does not know yet.
    Abandoned,
    Running,
    /// The run is over; the lease is being released.
    Releasing,
    /// The lease was released under a run that goes on.
    Cut,
    Over,
}

impl Job {
    pub fn new(
        number: u64,
        resource: Resource,
        options: &RunOptions,
        store: Arc<dyn Backend>,
        handle: RunHandle,
        function: (Place, AsyncContext),
        caller: Box<dyn Caller>,
    ) -> Rc<Self> {
        Rc::new(Job {
            number,
            resource: resource.shown,
            name: resource.name,
            exit_timeout: options.exit_timeout,
            store,
            ttl: options.config.ttl,
            bounded: options.config.bounded,
            of_tick: options.config.tick.is_some(),
            handle,
            stage: Cell::new(Stage::Asking),
            function: RefCell::new(Some(function)),
            caller: RefCell::new(Some(caller)),
            cell: RefCell::default(),
            controller: RefCell::default(),
            lost: Cell::new(None),
            result: RefCell::default(),
            leaving: RefCell::default(),
        })
    }

    pub fn hear(self: &Rc<Self>, env: &Env, environment: &Rc<Environment>, change: RunChange) {
        match (self.stage.get(), change) {
            (Stage::Asking, RunChange::Granted(cell)) => self.granted(env, environment, cell),
            (Stage::Asking, RunChange::Refused(refusal)) => {
                self.over(env, environment, Ending::Refused(refusal));
            }
            (Stage::Running, RunChange::Lost(ScopedEnd { reason, .. })) => {
                self.lose(env, environment, Loss::By(reason_word(reason)));
            }
            (Stage::Running, RunChange::LongRun(held)) => self.warn_of_long_run(environment, held),
            (Stage::Running, RunChange::Overrun) => self.lose(env, environment, Loss::Overrun),
            (Stage::Running, RunChange::Failed) => {
                self.lose(env, environment, Loss::By("internal"));
                self.stage.set(Stage::Cut);
            }
            // The run ended with the deadline, which was over when its release was asked for.
            (Stage::Releasing, RunChange::Lost(ScopedEnd { reason, .. })) => {
                self.lost.set(Some(Loss::By(reason_word(reason))));
            }
            (Stage::Releasing, RunChange::Released | RunChange::Failed) => {
                self.finish(env, environment);
            }
            (Stage::Cut, RunChange::Released) => self.let_go(),
            (Stage::Abandoned, RunChange::Granted(_)) => {}
            (Stage::Abandoned, _) => self.forget(env, environment),
            (Stage::Asking, RunChange::Failed) => self.over(env, environment, Ending::Broke),
            _ => {}
        }
    }

    /// The caller wants it no more. Nothing is done where the run has begun.
    pub fn abandon(&self, env: &Env, environment: &Rc<Environment>, ending: Ending) {
        if self.stage.get() == Stage::Asking {
            self.stage.set(Stage::Abandoned);
            self.handle.abandon();
            self.tell(env, environment, ending);
        }
    }

    /// Releases the lease under the run, which is told to stop.
    pub fn cut(&self, env: &Env, environment: &Rc<Environment>) {
        if self.stage.get() == Stage::Running {
            if self.lost.get().is_none() {
                self.lose(env, environment, Loss::By(reason_word(Reason::Resigned)));
            }
            self.stage.set(Stage::Cut);
            self.end_lease();
            self.handle.release();
        }
    }

    /// For the end of the environment: the handle to wait for.
    pub fn exit(&self) -> Option<RunHandle> {
        match self.stage.replace(Stage::Over) {
            Stage::Over => return None,
            Stage::Asking => self.handle.abandon(),
            Stage::Running => {
                self.end_lease();
                self.handle.release();
            }
            Stage::Abandoned | Stage::Releasing | Stage::Cut => {}
        }
        Some(self.handle.clone())
    }

    /// Finishes the gathering when the lease is released; at once where it is.
    pub fn leave(&self, gathering: &Rc<Gathering>) {
        if matches!(self.stage.get(), Stage::Running | Stage::Releasing) {
            self.leaving.borrow_mut().push(gathering.add());
        }
    }

    fn granted(self: &Rc<Self>, env: &Env, environment: &Rc<Environment>, cell: Arc<LeaseCell>) {
        if !cell.is_held(now()) {
            // This loop, or all of the process, stood still until now. Given up here, a tick that
            // was granted to us would be run by nobody.
            return self.handle.miss();
        }
        *self.cell.borrow_mut() = Some(cell);
        let taken = self.function.borrow_mut().take();
        let Some((function, context)) = taken else {
            return self.give_up(env, environment, "it has been called before");
        };
        let prepared = Lease::of(env, self)
            .and_then(|lease| Ok((environment.shelf.take(env, function)?, lease)));
        let (function, lease) = match prepared {
            Ok(prepared) => prepared,
            Err(thrown) => {
                context.end(env);
                return self.give_up(env, environment, &thrown.0);
            }
        };
        self.stage.set(Stage::Running);
        if self.of_tick {
            self.handle.begin();
        }
        if let Some(caller) = &*self.caller.borrow() {
            caller.keep_alive(self.bounded);
        }
        let called = context.call(env, function, &[lease]);
        context.end(env);
        match called {
            Ok(returned) => {
                if let Err(thrown) = self.follow(env, environment, returned) {
                    self.settle(env, environment, Err(thrown));
                }
            }
            Err(thrown) => self.settle(env, environment, Err(thrown)),
        }
    }

    /// The lease may have reached no run: rather than kept by nobody, it is let go, with its tick where
    /// no run has begun.
    pub fn give_up(&self, env: &Env, environment: &Rc<Environment>, why: &str) {
        tracing::error!(environment = environment.id, resource = %self.resource, error = why, "the lease of a run could not be handed over, and is released");
        self.end_lease();
        match self.stage.get() {
            Stage::Asking => {
                self.stage.set(Stage::Abandoned);
                self.handle.abandon();
            }
            Stage::Running => {
                self.stage.set(Stage::Cut);
                self.abort(env, environment);
                self.handle.release();
            }
            Stage::Abandoned | Stage::Releasing | Stage::Cut | Stage::Over => {}
        }
        self.tell(env, environment, Ending::Broke);
    }

    /// Waits for a promise; what is none is the result itself.
    fn follow(
        self: &Rc<Self>,
        env: &Env,
        environment: &Rc<Environment>,
        returned: Value,
    ) -> Result<(), Option<Value>> {
        let broken = |thrown: js::Thrown| js::error(env, &thrown.0);
        let Some(then) = js::then_of(env, returned).map_err(broken)? else {
            self.settle(env, environment, Ok(returned));
            return Ok(());
        };
        let on = |name: &str, threw: bool| {
            let job = Rc::downgrade(self);
            js::function(env, name, move |env, value| {
                settled(env, &job, threw, value);
            })
        };
        let ran = on("ran", false).map_err(broken)?;
        let failed = on("failed", true).map_err(broken)?;
        let handlers = [ran, failed];
        js::call(env, returned, then, &handlers).map_err(broken)?;
        Ok(())
    }

    /// The run is over: the lease goes first, and then the caller is told.
    fn settle(
        self: &Rc<Self>,
        env: &Env,
        environment: &Rc<Environment>,
        result: Result<Value, Option<Value>>,
    ) {
        let stage = self.stage.get();
        if !matches!(stage, Stage::Running | Stage::Cut) || self.result.borrow().is_some() {
            return;
        }
        let (threw, value) = match result {
            Ok(value) => (false, Some(value)),
            Err(thrown) => (
                true,
                thrown.or_else(|| js::error(env, "a call of Node-API failed")),
            ),
        };
        let place = value.and_then(|value| environment.shelf.put(env, value).ok());
        *self.result.borrow_mut() = place.map(|place| (threw, place));
        if stage == Stage::Cut {
            return self.finish(env, environment);
        }
        self.stage.set(Stage::Releasing);
        self.end_lease();
        self.abort(env, environment);
        if let Some(caller) = &*self.caller.borrow() {
            caller.keep_alive(true);
        }
        self.handle.release();
    }

    fn lose(&self, env: &Env, environment: &Rc<Environment>, loss: Loss) {
        self.lost.set(Some(loss));
        let caller = self.caller.borrow();
        let prefix = caller.as_ref().and_then(|caller| caller.prefix());
        let (id, resource) = (environment.id, &*self.resource);
        match loss {
            Loss::By(reason) => tracing::warn!(
                environment = id,
                prefix,
                resource,
                reason,
                "lost the lease of a run, which goes on until it heeds its signal"
            ),
            Loss::Overrun => tracing::warn!(
                environment = id,
                prefix,
                resource,
                "a run took longer than maxRun: its lease is renewed no more"
            ),
        }
        drop(caller);
        self.abort(env, environment);
        if loss == Loss::Overrun {
            // It may never end; whoever asked is not kept waiting.
            let ending = self.lost_ending(None);
            self.tell(env, environment, ending);
        }
    }

    fn warn_of_long_run(&self, environment: &Environment, held: Duration) {
        let caller = self.caller.borrow();
        tracing::warn!(
            environment = environment.id,
            prefix = caller.as_ref().and_then(|caller| caller.prefix()),
            resource = &*self.resource,
            held_ms = held.as_millis() as u64,
            "a run without maxRun has held its lease for long: nobody else can run it meanwhile"
        );
    }

    fn finish(&self, env: &Env, environment: &Rc<Environment>) {
        let result = self.result.borrow_mut().take();
        let result = result.and_then(|(threw, place)| {
            let value = environment.shelf.take(env, place).ok()?;
            Some(if threw { Err(value) } else { Ok(value) })
        });
        let ending = match (self.lost.get(), result) {
            (Some(_), result) => self.lost_ending(result),
            (None, Some(Ok(value))) => Ending::Returned {
                token: self.token(),
                value,
            },
            (None, Some(Err(error))) => Ending::Threw {
                token: self.token(),
                error,
            },
            (None, None) => Ending::Broke,
        };
        self.over(env, environment, ending);
    }

    fn lost_ending(&self, result: Option<Result<Value, Value>>) -> Ending {
        let loss = self.lost.get().unwrap_or(Loss::By("internal"));
        Ending::Lost {
            token: self.token(),
            loss,
            result,
        }
    }

    fn token(&self) -> f64 {
        let cell = self.cell.borrow();
        cell.as_ref().map_or(0.0, |cell| cell.token().get() as f64)
    }

    fn over(&self, env: &Env, environment: &Rc<Environment>, ending: Ending) {
        self.tell(env, environment, ending);
        self.forget(env, environment);
    }

    fn tell(&self, env: &Env, environment: &Rc<Environment>, ending: Ending) {
        let caller = self.caller.borrow_mut().take();
        if let Some(caller) = caller {
            caller.answer(env, environment, ending);
        }
    }

    fn forget(&self, env: &Env, environment: &Rc<Environment>) {
        self.stage.set(Stage::Over);
        environment.jobs.borrow_mut().remove(&self.number);
        if let Some((function, context)) = self.function.borrow_mut().take() {
            let _ = environment.shelf.take(env, function);
            context.end(env);
        }
        self.let_go();
    }

    fn let_go(&self) {
        for gathering in self.leaving.take() {
            gathering.finish();
        }
    }

    fn end_lease(&self) {
        if let Some(cell) = &*self.cell.borrow() {
            cell.end();
        }
    }

    fn abort(&self, env: &Env, environment: &Rc<Environment>) {
        let controller = self.controller.borrow_mut().take();
        if let Some(controller) = controller
            && let Err(thrown) = abort(env, environment, self, controller)
        {
            tracing::error!(environment = environment.id, resource = %self.resource, error = %thrown, "aborting the signal failed");
        }
    }
}

fn settled(env: &Env, job: &Weak<Job>, threw: bool, value: Option<Value>) {
    if let (Some(job), Some(environment)) = (job.upgrade(), environment::existing()) {
        let value = value.or_else(|| js::make(env, ()).ok());
        let result = match (threw, value) {
            (false, Some(value)) => Ok(value),
            (_, value) => Err(value),
        };
        job.settle(env, &environment, result);
    }
}
