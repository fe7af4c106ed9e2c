//! What napi has no safe wrapper of, and all that is unsafe here.

#![expect(unsafe_code, reason = "that is what this file is for")]

use std::borrow::Cow;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::{
    Float64Array, FromNapiValue, JsObjectValue, Object, ToNapiValue, Unknown,
};
use napi::{Env, Error, JsError, JsValue, check_status, sys};

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

/// The bell of an environment: whoever rings it, from any thread, has something done on its own. It is weak,
/// and keeps neither the process nor Jest alive.
pub struct Bell(Mutex<Option<sys::napi_threadsafe_function>>);

// SAFETY: Node's threadsafe function may be called from every thread; the lock keeps it from being called
// after its end.
unsafe impl Send for Bell {}
// SAFETY: as above.
unsafe impl Sync for Bell {}

impl Bell {
    /// `heard` is called for each ring.
    pub fn new(env: &Env, heard: fn(&Env)) -> napi::Result<Self> {
        // So called, it is not among what holds a test runner open.
        let name = env.create_string("PROMISE")?;
        let mut raw = ptr::null_mut();
        // SAFETY: the environment is the one that we were called from. The context is a function, as
        // `hear` takes it.
        check_status!(unsafe {
            sys::napi_create_threadsafe_function(
                env.raw(),
                ptr::null_mut(),
                ptr::null_mut(),
                name.raw(),
                0,
                1,
                ptr::null_mut(),
                None,
                heard as *mut c_void,
                Some(hear),
                &mut raw,
            )
        })?;
        // SAFETY: it was made just now, on this thread.
        check_status!(unsafe { sys::napi_unref_threadsafe_function(env.raw(), raw) })?;
        Ok(Bell(Mutex::new(Some(raw))))
    }

    /// False where its environment has ended.
    pub fn ring(&self) -> bool {
        self.with(|raw| {
            let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
            // SAFETY: its environment has not ended. Its queue has no bound.
            let rung = unsafe { sys::napi_call_threadsafe_function(raw, ptr::null_mut(), mode) };
            rung == sys::Status::napi_ok
        })
        .unwrap_or(false)
    }

    /// Whether the process lives on while it may be rung.
    pub fn keep_alive(&self, env: &Env, keep: bool) {
        self.with(|raw| {
            // SAFETY: as above, and we are on its thread.
            unsafe {
                match keep {
                    true => sys::napi_ref_threadsafe_function(env.raw(), raw),
                    false => sys::napi_unref_threadsafe_function(env.raw(), raw),
                };
            }
        });
    }

    /// The environment ends: nobody rings it from here on.
    pub fn silence(&self) {
        self.raw().take();
    }

    /// Does something with it while nobody can end it; `None` where its environment has ended.
    fn with<T>(&self, act: impl FnOnce(sys::napi_threadsafe_function) -> T) -> Option<T> {
        // Named: a guard that is not would be dropped before Node is called, which frees what it then calls.
        let raw = self.raw();
        raw.map(act)
    }

    fn raw(&self) -> MutexGuard<'_, Option<sys::napi_threadsafe_function>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

unsafe extern "C" fn hear(
    env: sys::napi_env,
    _: sys::napi_value,
    heard: *mut c_void,
    _: *mut c_void,
) {
    // Node calls it without an environment where that has ended.
    if !env.is_null() {
        // SAFETY: it was a function when it was handed over.
        let heard: fn(&Env) = unsafe { std::mem::transmute(heard) };
        heard(&Env::from_raw(env));
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

/// A text of JavaScript, in `memory` where that is long enough: to ask for the length first takes as long again.
pub fn text<'a>(env: &Env, of: &Unknown, memory: &'a mut [u8]) -> napi::Result<Cow<'a, str>> {
    let mut length = 0;
    // SAFETY: the environment is the one that we were called from, and no more is written than there is room for.
    check_status!(unsafe {
        let (to, room) = (memory.as_mut_ptr().cast(), memory.len());
        sys::napi_get_value_string_utf8(env.raw(), of.raw(), to, room, &mut length)
    })?;
    // One more character would have had room, so it was not cut.
    if length + LONGEST_CHARACTER < memory.len()
        && let Ok(text) = str::from_utf8(&memory[..length])
    {
        return Ok(text.into());
    }
    // SAFETY: as above.
    unsafe { String::from_napi_value(env.raw(), of.raw()) }.map(Cow::Owned)
}

/// In bytes of UTF-8.
const LONGEST_CHARACTER: usize = 4;

/// A Rust value as JavaScript has it.
pub fn value(env: &Env, of: impl ToNapiValue) -> napi::Result<Unknown<'static>> {
    // SAFETY: the environment is the one that we were called from.
    unsafe {
        match ToNapiValue::to_napi_value(env.raw(), of) {
            Ok(raw) => Ok(Unknown::from_raw_unchecked(env.raw(), raw)),
            Err(error) => {
                // A setter of somebody's threw: that is the caller's now, and not the event loop's.
                let (mut pending, mut thrown) = (false, ptr::null_mut());
                sys::napi_is_exception_pending(env.raw(), &mut pending);
                if pending {
                    sys::napi_get_and_clear_last_exception(env.raw(), &mut thrown);
                }
                Err(error)
            }
        }
    }
}
