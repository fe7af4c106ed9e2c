//! What napi has no safe wrapper of, and all that is unsafe here.

#![expect(unsafe_code, reason = "that is what this file is for")]

use std::ptr;

use napi::bindgen_prelude::{Float64Array, JsObjectValue, Object, ToNapiValue, Unknown};
use napi::{Env, Error, JsError, check_status, sys};

/// A promise that is settled on the thread of its environment. napi's own makes a threadsafe function
/// for each, which costs more than all the rest of a call.
pub struct RawPromise {
    env: sys::napi_env,
    deferred: sys::napi_deferred,
}

impl RawPromise {
    pub fn new(env: &Env) -> napi::Result<(Self, Object<'static>)> {
        let (mut deferred, mut promise) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the environment is the one that we were called from.
        check_status!(unsafe { sys::napi_create_promise(env.raw(), &mut deferred, &mut promise) })?;
        let raw = RawPromise {
            env: env.raw(),
            deferred,
        };
        Ok((raw, Object::from_raw(env.raw(), promise)))
    }

    pub fn resolve(self, value: impl ToNapiValue) {
        // SAFETY: the environment is the promise's own, and the deferred is used this once. It fails
        // only where the environment has ended, and nobody waits.
        unsafe {
            if let Ok(value) = ToNapiValue::to_napi_value(self.env, value) {
                sys::napi_resolve_deferred(self.env, self.deferred, value);
            }
        }
    }

    /// With an `Error` that has these numbers as further properties.
    pub fn reject(self, error: Error<impl AsRef<str>>, numbers: &[(&str, f64)]) {
        // SAFETY: as above.
        unsafe {
            let error = JsError::from(error).into_value(self.env);
            let mut object = Object::from_raw(self.env, error);
            for (name, number) in numbers {
                let _ = object.set_named_property(name, *number);
            }
            sys::napi_reject_deferred(self.env, self.deferred, error);
        }
    }
}

/// Whether the process lives on while something may come through this queue.
pub fn keep_alive(env: &Env, queue: sys::napi_threadsafe_function, keep: bool) {
    // SAFETY: whoever hands it over holds the queue, and we are on its thread. It fails only where the
    // environment is ending, and nothing lives on.
    unsafe {
        match keep {
            true => sys::napi_ref_threadsafe_function(env.raw(), queue),
            false => sys::napi_unref_threadsafe_function(env.raw(), queue),
        };
    }
}

/// Writes numbers where JavaScript reads them, on its own thread.
pub fn write(to: &mut Float64Array, at: usize, numbers: &[f64]) {
    // SAFETY: JavaScript does not run meanwhile, and the array keeps its buffer, which is never detached.
    let all = unsafe { to.as_mut() };
    if let Some(place) = all.get_mut(at..at + numbers.len()) {
        place.copy_from_slice(numbers);
    }
}

/// A Rust value as JavaScript has it.
pub fn value(env: &Env, of: impl ToNapiValue) -> napi::Result<Unknown<'static>> {
    // SAFETY: the environment is the one that we were called from.
    unsafe {
        let raw = ToNapiValue::to_napi_value(env.raw(), of)?;
        Ok(Unknown::from_raw_unchecked(env.raw(), raw))
    }
}
