//! Promises that a caller waits for. A pending one keeps the process alive, unless it is told not to.
//!
//! napi's own deferred makes a threadsafe function for each promise, which costs more than all the rest
//! of a call; everything here is settled on the thread of its environment.

#![expect(
    unsafe_code,
    reason = "napi has no promise that is settled without a threadsafe function of its own"
)]

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::Object;
use napi::{Env, JsValue, check_status, sys};

use super::environment;
use super::error::PrimaryLeaseError;
use super::js::{self, Value};

pub struct Deferred {
    env: Env,
    raw: sys::napi_deferred,
    keeps_alive: Cell<bool>,
}

/// The promise of one call: whoever settles it takes it.
pub type Promised = Rc<RefCell<Option<Deferred>>>;

pub fn pending(env: &Env) -> napi::Result<(Deferred, Object<'static>)> {
    let (mut raw, mut promise) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the environment is the one that we were called from.
    check_status!(unsafe { sys::napi_create_promise(env.raw(), &mut raw, &mut promise) })?;
    // Made before it is counted on.
    environment::present(env)?;
    let deferred = Deferred {
        env: Env::from_raw(env.raw()),
        raw,
        keeps_alive: Cell::new(false),
    };
    deferred.keep_alive(true);
    Ok((deferred, Object::from_raw(env.raw(), promise)))
}

/// One that is resolved with `undefined`.
pub fn settled(env: &Env) -> napi::Result<Object<'static>> {
    let (deferred, promise) = pending(env)?;
    deferred.resolve(None);
    Ok(promise)
}

/// One that is rejected.
pub fn rejected(env: &Env, error: PrimaryLeaseError) -> napi::Result<Object<'static>> {
    let (deferred, promise) = pending(env)?;
    deferred.reject(error);
    Ok(promise)
}

impl Deferred {
    /// With a value, or `undefined`.
    pub fn resolve(self, value: Option<Value>) {
        let value = value.map_or_else(|| js::make(&self.env, ()), Ok);
        if let Ok(value) = value {
            self.keep_alive(false);
            // SAFETY: both are of this environment, and the deferred is used this once. It fails only
            // where the environment has ended, and nobody waits.
            unsafe { sys::napi_resolve_deferred(self.env.raw(), self.raw, value.raw()) };
        }
    }

    pub fn reject(self, error: PrimaryLeaseError) {
        let reason = error.to_js(&self.env).map(|error| js::value(&error));
        // Somebody's setter may have thrown; without its code an error is still better than none.
        let reason = reason.ok();
        if let Some(reason) = reason.or_else(|| js::error(&self.env, &error.to_string())) {
            self.reject_with(reason);
        }
    }

    /// With whatever was thrown.
    pub fn reject_with(self, reason: Value) {
        self.keep_alive(false);
        // SAFETY: as above.
        unsafe { sys::napi_reject_deferred(self.env.raw(), self.raw, reason.raw()) };
    }

    /// Whether the process is to live until it is settled.
    pub fn keep_alive(&self, keep: bool) {
        if self.keeps_alive.replace(keep) != keep
            && let Some(environment) = environment::existing()
        {
            environment.keep_alive(&self.env, keep);
        }
    }
}

/// A promise that is resolved with `undefined` when several things have ended.
pub struct Gathering {
    open: Cell<usize>,
    deferred: RefCell<Option<Deferred>>,
}

impl Gathering {
    /// Waits for nothing but its own `finish` yet.
    pub fn begin(deferred: Deferred) -> Rc<Self> {
        Rc::new(Gathering {
            open: Cell::new(1),
            deferred: RefCell::new(Some(deferred)),
        })
    }

    pub fn add(self: &Rc<Self>) -> Rc<Self> {
        self.open.set(self.open.get() + 1);
        self.clone()
    }

    pub fn finish(&self) {
        self.open.set(self.open.get().saturating_sub(1));
        if self.open.get() == 0
            && let Some(deferred) = self.deferred.borrow_mut().take()
        {
            deferred.resolve(None);
        }
    }

    pub fn is_finished(&self) -> bool {
        self.open.get() == 0
    }
}
