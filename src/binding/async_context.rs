//! What `AsyncLocalStorage` follows: a job that is called when its lease was granted runs in the
//! context of the call that asked for it.

#![expect(unsafe_code, reason = "napi has no wrapper of asynchronous contexts")]

use std::ptr;

use napi::{Env, JsValue, sys};

use super::js::{self, Value};

/// The context that it was made in. To be given back with [`AsyncContext::end`].
pub struct AsyncContext(sys::napi_async_context);

impl AsyncContext {
    pub fn capture(env: &Env) -> js::Result<Self> {
        let name = js::make(env, "primary-lease")?;
        let mut raw = ptr::null_mut();
        // SAFETY: the environment is the one that we were called from; without a resource of ours
        // Node makes one.
        let status =
            unsafe { sys::napi_async_init(env.raw(), ptr::null_mut(), name.raw(), &mut raw) };
        napi::check_status!(status)?;
        Ok(AsyncContext(raw))
    }

    /// Calls a function in this context; what it threw is the error, `None` where Node-API failed.
    pub fn call(&self, env: &Env, function: Value, args: &[Value]) -> Result<Value, Option<Value>> {
        let this = js::value(&env.get_global().map_err(|_| None)?);
        let args: Vec<_> = args.iter().map(JsValue::raw).collect();
        let mut raw = ptr::null_mut();
        // SAFETY: as above; the number of arguments is that of the vector.
        let status = unsafe {
            sys::napi_make_callback(
                env.raw(),
                self.0,
                this.raw(),
                function.raw(),
                args.len(),
                args.as_ptr(),
                &mut raw,
            )
        };
        js::finish_call(env, status, raw)
    }

    pub fn end(self, env: &Env) {
        // SAFETY: it is given back this once.
        unsafe { sys::napi_async_destroy(env.raw(), self.0) };
    }
}
