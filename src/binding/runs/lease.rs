use std::rc::{Rc, Weak};
use std::sync::Arc;

use napi::bindgen_prelude::{JavaScriptClassExt, JsObjectValue, Object, This, Unknown};
use napi::{Env, JsValue, Property, PropertyAttributes};
use napi_derive::napi;

use super::job::Job;
use crate::binding::environment::{self, Environment};
use crate::binding::error::PrimaryLeaseError;
use crate::binding::fence::{Asker, Fence};
use crate::binding::js::{self, Value};
use crate::binding::shelf::Place;
use crate::driver::{LeaseCell, now};

/// The lease of one run of a job: handed to the job, renewed while it runs, released after it.
///
/// It trusts Redis's clock. A loss of Redis's data, a failover or a step of its clock can give the
/// resource to another server while a run goes on: the token tells the two apart.
#[napi]
pub struct Lease {
    cell: Arc<LeaseCell>,
    job: Weak<Job>,
    resource: Arc<str>,
}

#[napi]
impl Lease {
    /// What it is the lease of; with a `LeaderRunner`, its prefix and the name, with a colon between.
    #[napi(getter, catch_unwind)]
    pub fn resource(&self) -> String {
        self.resource.to_string()
    }

    /// The name of the lease, for whatever keeps its highest token: `lease:<resource>`. Tokens compare
    /// only under one name; `fence` and `command` use it too.
    #[napi(getter, catch_unwind)]
    pub fn name(&self) -> String {
        Fence::lease_of_run(&self.resource)
    }

    /// The fencing token: a safe integer that rises with every grant for this resource. Hand it to
    /// whatever the run writes to, and let that refuse a smaller one than it has seen.
    #[napi(getter, catch_unwind)]
    pub fn token(&self) -> f64 {
        self.cell.token().get() as f64
    }

    /// Whether it is held at this very moment: compares the clock with the deadline, so it is right
    /// even just after the event loop or the whole process stood still. Once false it stays false.
    #[napi(getter, catch_unwind)]
    pub fn is_held(&self) -> bool {
        self.cell.is_held(now())
    }

    /// For how long it is held even if no further renewal is confirmed, in ms; 0 when it is not.
    #[napi(getter, catch_unwind)]
    pub fn remaining_ms(&self) -> f64 {
        self.cell.remaining(now()).as_secs_f64() * 1_000.0
    }

    /// Aborted when the lease is lost or released, or the run takes longer than `maxRun`, with a
    /// `PrimaryLeaseError` of the code `ERR_LEASE_LOST` as its reason. The event loop has to turn for
    /// that; `isHeld` does not need it.
    #[napi(getter, catch_unwind, ts_return_type = "AbortSignal")]
    pub fn signal(&self, env: &Env, this: This) -> napi::Result<Object<'static>> {
        let mut this = this.object;
        let kept = js::get(env, js::value(&this), SIGNAL)?;
        if let js::Kind::Object(signal) = js::kind(kept)? {
            return Ok(signal);
        }
        let controller = js::construct(env, js::global(env, "AbortController")?, &[])?;
        let signal = js::get(env, controller, "signal")?;
        let property = Property::new()
            .with_utf8_name(SIGNAL)?
            .with_value(&signal)
            .with_property_attributes(PropertyAttributes::Default);
        this.define_properties(&[property])?;
        match (self.job.upgrade(), environment::existing()) {
            (Some(job), Some(environment)) if self.is_held() => {
                let place = environment.shelf.put(env, controller)?;
                *job.controller.borrow_mut() = Some(place);
            }
            _ => {
                let error = self.lost().to_js(env)?;
                js::invoke(env, controller, "abort", &[js::value(&error)])?;
            }
        }
        Ok(Object::from_raw(env.raw(), signal.raw()))
    }

    /// Throws `ERR_LEASE_LOST` unless the lease is held at this moment.
    #[napi(catch_unwind)]
    pub fn assert_held(&self, env: &Env) -> napi::Result<()> {
        match self.is_held() {
            true => Ok(()),
            false => Err(self.lost().into_napi(env)),
        }
    }

    /// Asks a resource in Redis whether it has seen a newer token of this lease, and shows it this one:
    /// from here on it refuses every smaller one. As `fence` of `PrimaryLease`.
    #[napi(
        catch_unwind,
        ts_args_type = "resource: string",
        ts_return_type = "Promise<void>"
    )]
    pub fn fence(&self, env: &Env, resource: Unknown) -> napi::Result<Object<'static>> {
        self.asker().ask(env, js::value(&resource), None)
    }

    /// Does what `fence(resource)` does and, if the token passes, applies a Redis command in the same
    /// step. As `command` of `PrimaryLease`.
    #[napi(
        catch_unwind,
        ts_args_type = "resource: string, args: (string | Uint8Array)[]",
        ts_return_type = "Promise<unknown>"
    )]
    pub fn command(
        &self,
        env: &Env,
        resource: Unknown,
        args: Unknown,
    ) -> napi::Result<Object<'static>> {
        let args = js::value(&args);
        self.asker().ask(env, js::value(&resource), Some(args))
    }

    fn asker(&self) -> Asker<'_> {
        let fence = |job: Rc<Job>| Fence::of_lease(job.store.clone(), &self.resource, job.ttl);
        Asker {
            fence: self.job.upgrade().map(fence),
            cell: &self.cell,
            of: &self.resource,
        }
    }

    fn lost(&self) -> PrimaryLeaseError {
        PrimaryLeaseError::lease_lost(&self.resource, self.cell.token().get())
    }
}

impl Lease {
    /// The lease of a run that begins.
    pub fn of(env: &Env, job: &Rc<Job>) -> js::Result<Value> {
        let cell = job.cell.borrow().clone();
        let cell = cell.ok_or_else(|| js::Thrown("the run has no lease".into()))?;
        let lease = Lease {
            cell,
            job: Rc::downgrade(job),
            resource: job.resource.clone(),
        };
        Ok(js::value(&lease.into_instance(env)?.as_object(env)))
    }
}

/// Aborts the signal of a job's lease.
pub fn abort(env: &Env, environment: &Environment, job: &Job, controller: Place) -> js::Result<()> {
    let controller = environment.shelf.take(env, controller)?;
    let cell = job.cell.borrow();
    let token = cell.as_ref().map_or(0, |cell| cell.token().get());
    drop(cell);
    let error = PrimaryLeaseError::lease_lost(&job.resource, token).to_js(env)?;
    js::invoke(env, controller, "abort", &[js::value(&error)])?;
    Ok(())
}

/// Where the object keeps its signal: JavaScript's own property, so that it lives as long.
const SIGNAL: &str = "_signal";
