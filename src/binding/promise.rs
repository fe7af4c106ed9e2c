//! Promises that a caller waits for. A pending one keeps the process alive.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use napi::bindgen_prelude::{Either, Object, ObjectRef};
use napi::{Env, JsDeferred, JsValue};

use super::error::PrimaryLeaseError;

/// A lease, or `undefined`.
type Settled = Either<ObjectRef<false>, ()>;
type Resolver = Box<dyn FnOnce(Env) -> napi::Result<Settled>>;

pub struct Deferred(JsDeferred<Settled, Resolver>);

pub fn pending(env: &Env) -> napi::Result<(Deferred, Object<'static>)> {
    let (deferred, promise) = env.create_deferred()?;
    let promise = Object::from_raw(env.raw(), promise.raw());
    Ok((Deferred(deferred), promise))
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
    pub fn resolve(self, lease: Option<ObjectRef<false>>) {
        let settled = lease.map_or(Either::B(()), Either::A);
        self.0.resolve(Box::new(|_| Ok(settled)));
    }

    pub fn reject(self, error: PrimaryLeaseError) {
        // The error is made on the thread that it belongs to, with its name and code.
        self.0
            .resolve(Box::new(move |env| Err(error.into_napi(&env))));
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
}
