//! JavaScript values without their types: reading, calling, building.
//!
//! Whatever JavaScript throws on the way is taken out of the environment and comes back as
//! [`Thrown`]: with an exception pending no further call would work.

#![expect(
    unsafe_code,
    reason = "napi's own wrappers leave an exception pending where a method or a getter throws"
)]

use std::ffi::CString;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, FunctionCallContext, Object, ToNapiValue, Unknown};
use napi::{Env, JsValue, ValueType, sys};

/// A value, good until the call from JavaScript that we are in returns.
pub type Value = Unknown<'static>;

/// What JavaScript threw, as text.
#[derive(Debug)]
pub struct Thrown(pub String);

pub type Result<T> = std::result::Result<T, Thrown>;

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<napi::Error> for Thrown {
    fn from(error: napi::Error) -> Self {
        Thrown(error.reason.clone())
    }
}

impl From<Thrown> for napi::Error {
    fn from(thrown: Thrown) -> Self {
        napi::Error::from_reason(thrown.0)
    }
}

/// The UTF-16 of a string, which need not be text: it may have half of a surrogate pair.
pub fn utf16(text: Value) -> Result<Vec<u16>> {
    let (env, mut length) = (text.value().env, 0);
    // SAFETY: both are of a live value. Without a buffer the call measures, and with one it writes as
    // much as there is room for, a zero behind it.
    unsafe {
        let measured =
            sys::napi_get_value_string_utf16(env, text.raw(), ptr::null_mut(), 0, &mut length);
        napi::check_status!(measured)?;
        let mut units = vec![0; length + 1];
        let (room, place) = (units.len(), units.as_mut_ptr());
        let read = sys::napi_get_value_string_utf16(env, text.raw(), place, room, &mut length);
        napi::check_status!(read)?;
        units.truncate(length);
        Ok(units)
    }
}

/// A value by its type.
pub enum Kind {
    /// `undefined` or `null`.
    Nothing,
    Bool(bool),
    Number(f64),
    Text(String),
    Function,
    Object(Object<'static>),
    /// A symbol or a bigint.
    Other,
}

pub fn kind(value: Value) -> Result<Kind> {
    Ok(match value.get_type()? {
        ValueType::Undefined | ValueType::Null => Kind::Nothing,
        ValueType::Boolean => Kind::Bool(read(value)?),
        ValueType::Number => Kind::Number(read(value)?),
        ValueType::String => Kind::Text(read(value)?),
        ValueType::Function => Kind::Function,
        ValueType::Object => Kind::Object(Object::from_raw(value.value().env, value.raw())),
        _ => Kind::Other,
    })
}

/// What a value is, for a message: never its content.
pub fn describe(value: Value) -> &'static str {
    match kind(value) {
        Ok(Kind::Nothing) if matches!(value.get_type(), Ok(ValueType::Null)) => "null",
        Ok(Kind::Nothing) => "undefined",
        Ok(Kind::Bool(_)) => "a boolean",
        Ok(Kind::Number(_)) => "a number",
        Ok(Kind::Text(_)) => "a string",
        Ok(Kind::Function) => "a function",
        Ok(Kind::Object(object)) if object.is_array().unwrap_or(false) => "an array",
        Ok(Kind::Object(_)) => "an object",
        Ok(Kind::Other) | Err(_) => "a symbol or a bigint",
    }
}

/// The milliseconds since 1970 of a `Date`, also of another realm; NaN for an invalid one.
pub fn date_ms(value: Value) -> Option<f64> {
    let (env, mut ms) = (value.value().env, f64::NAN);
    // SAFETY: both are of a live value; one that is no date fails.
    let status = unsafe { sys::napi_get_date_value(env, value.raw(), &mut ms) };
    (status == sys::Status::napi_ok).then_some(ms)
}

/// The `then` of a promise, or of what behaves as one.
pub fn then_of(env: &Env, value: Value) -> Result<Option<Value>> {
    let Kind::Object(_) = kind(value)? else {
        return Ok(None);
    };
    let then = get(env, value, "then")?;
    Ok(is_function(then).then_some(then))
}

/// A new `Error`; `None` where Node-API refuses even that.
pub fn error(env: &Env, message: &str) -> Option<Value> {
    let error = env.create_error(napi::Error::from_reason(message.to_owned()));
    error.ok().map(|error| value(&error))
}

pub fn is_true(value: Value) -> bool {
    matches!(kind(value), Ok(Kind::Bool(true)))
}

pub fn is_function(value: Value) -> bool {
    matches!(value.get_type(), Ok(ValueType::Function))
}

/// A value of this call, without the lifetime that its wrapper borrows.
pub fn value<'a>(of: &impl JsValue<'a>) -> Value {
    // SAFETY: both pointers come from a live wrapper, and nothing here outlives the call from
    // JavaScript that we are in.
    unsafe { Unknown::from_raw_unchecked(of.value().env, of.raw()) }
}

/// A Rust value as JavaScript has it.
pub fn make(env: &Env, of: impl ToNapiValue) -> Result<Value> {
    // SAFETY: the environment is the one that we were called from.
    unsafe {
        let raw = ToNapiValue::to_napi_value(env.raw(), of)?;
        Ok(Unknown::from_raw_unchecked(env.raw(), raw))
    }
}

pub fn get(env: &Env, object: Value, name: &str) -> Result<Value> {
    let name = CString::new(name).map_err(|_| Thrown("a name with a zero in it".into()))?;
    let mut raw = ptr::null_mut();
    // SAFETY: as above; the name ends with a zero.
    let status =
        unsafe { sys::napi_get_named_property(env.raw(), object.raw(), name.as_ptr(), &mut raw) };
    finish(env, status, raw)
}

pub fn global(env: &Env, name: &str) -> Result<Value> {
    get(env, value(&env.get_global()?), name)
}

pub fn call(env: &Env, this: Value, function: Value, args: &[Value]) -> Result<Value> {
    let args: Vec<_> = args.iter().map(JsValue::raw).collect();
    let mut raw = ptr::null_mut();
    // SAFETY: as above; the number of arguments is that of the vector.
    let status = unsafe {
        sys::napi_call_function(
            env.raw(),
            this.raw(),
            function.raw(),
            args.len(),
            args.as_ptr(),
            &mut raw,
        )
    };
    finish(env, status, raw)
}

pub fn invoke(env: &Env, object: Value, method: &str, args: &[Value]) -> Result<Value> {
    call(env, object, get(env, object, method)?, args)
}

pub fn construct(env: &Env, class: Value, args: &[Value]) -> Result<Value> {
    let args: Vec<_> = args.iter().map(JsValue::raw).collect();
    let mut raw = ptr::null_mut();
    // SAFETY: as above.
    let status = unsafe {
        sys::napi_new_instance(env.raw(), class.raw(), args.len(), args.as_ptr(), &mut raw)
    };
    finish(env, status, raw)
}

pub fn read<T: FromNapiValue>(value: Value) -> Result<T> {
    // SAFETY: both pointers come from a live value; a conversion that does not fit fails.
    Ok(unsafe { T::from_napi_value(value.value().env, value.raw()) }?)
}

/// The length of a string, in UTF-16 units.
pub fn length(env: &Env, text: Value) -> Result<usize> {
    let mut units = 0;
    // SAFETY: as above; without a buffer nothing but the length is written.
    let status = unsafe {
        sys::napi_get_value_string_utf16(env.raw(), text.raw(), ptr::null_mut(), 0, &mut units)
    };
    napi::check_status!(status)?;
    Ok(units)
}

/// What a call of Node-API made; what was thrown in it is taken out of the environment.
pub fn finish(env: &Env, status: sys::napi_status, raw: sys::napi_value) -> Result<Value> {
    finish_call(env, status, raw).map_err(|thrown| match thrown {
        Some(thrown) => Thrown(show(env, thrown)),
        None => Thrown(format!(
            "a call of Node-API failed: {}",
            napi::Status::from(status)
        )),
    })
}

/// What a call of Node-API made, or what was thrown in it.
pub fn finish_call(
    env: &Env,
    status: sys::napi_status,
    raw: sys::napi_value,
) -> std::result::Result<Value, Option<Value>> {
    if status == sys::Status::napi_ok {
        // SAFETY: the call that made it succeeded.
        return Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), raw) });
    }
    Err(take_exception(env))
}

/// Takes what was thrown out of the environment.
fn take_exception(env: &Env) -> Option<Value> {
    let mut exception = ptr::null_mut();
    let mut pending = false;
    // SAFETY: each pointer is only used when the call that wrote it succeeded.
    unsafe {
        let asked = sys::napi_is_exception_pending(env.raw(), &mut pending);
        if asked != sys::Status::napi_ok || !pending {
            return None;
        }
        let taken = sys::napi_get_and_clear_last_exception(env.raw(), &mut exception);
        if taken != sys::Status::napi_ok {
            return None;
        }
        Some(Unknown::from_raw_unchecked(env.raw(), exception))
    }
}

/// What `String(value)` gives.
pub fn show(env: &Env, of: Value) -> String {
    let (mut text, mut ignored) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the text is only read when it was made.
    unsafe {
        if sys::napi_coerce_to_string(env.raw(), of.raw(), &mut text) != sys::Status::napi_ok {
            // A symbol, or showing it threw in turn.
            sys::napi_get_and_clear_last_exception(env.raw(), &mut ignored);
            return "something that cannot be shown".into();
        }
        String::from_napi_value(env.raw(), text).unwrap_or_default()
    }
}

/// A new function. A panic in it ends with it.
pub fn function(
    env: &Env,
    name: &str,
    run: impl Fn(&Env, Option<Value>) + 'static,
) -> Result<Value> {
    let function = env.create_function_from_closure::<Value, (), _>(
        name,
        move |context: FunctionCallContext| {
            let argument = context.first_arg::<Value>().ok();
            let ran = catch_unwind(AssertUnwindSafe(|| run(context.env, argument)));
            if ran.is_err() {
                tracing::error!("a function of ours broke");
            }
            Ok(())
        },
    )?;
    Ok(value(&function))
}

/// A new plain object.
pub fn object(env: &Env) -> Result<Object<'static>> {
    let object = Object::new(env)?;
    Ok(Object::from_raw(env.raw(), object.raw()))
}

/// Sets a property; `None` leaves it out.
pub fn set(object: &mut Object, name: &str, of: Option<impl ToNapiValue>) -> Result<()> {
    let Some(of) = of else {
        return Ok(());
    };
    let env = Env::from_raw(object.value().env);
    let name = CString::new(name).map_err(|_| Thrown("a name with a zero in it".into()))?;
    let of = make(&env, of)?;
    // SAFETY: all are of this environment; the name ends with a zero. A setter of somebody's may throw.
    let status =
        unsafe { sys::napi_set_named_property(env.raw(), object.raw(), name.as_ptr(), of.raw()) };
    finish(&env, status, of.raw()).map(|_| ())
}
