use std::{fmt, io};

use napi::bindgen_prelude::{JsObjectValue, Object};
use napi::{Env, JsValue, Property, PropertyAttributes};

use super::js;
use crate::election::ConfigError;

/// What a caller can decide by. The words are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    InvalidConfig,
    LeaseHeld,
    LeaseLost,
    StaleToken,
    StoreUnavailable,
    StoreDenied,
    Closed,
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Code::InvalidConfig => "ERR_INVALID_CONFIG",
            Code::LeaseHeld => "ERR_LEASE_HELD",
            Code::LeaseLost => "ERR_LEASE_LOST",
            Code::StaleToken => "ERR_STALE_TOKEN",
            Code::StoreUnavailable => "ERR_STORE_UNAVAILABLE",
            Code::StoreDenied => "ERR_STORE_DENIED",
            Code::Closed => "ERR_CLOSED",
        }
    }
}

/// What JavaScript gets as a `PrimaryLeaseError`.
#[derive(Clone, Debug)]
pub struct PrimaryLeaseError {
    code: Code,
    message: String,
    /// Further properties.
    numbers: Vec<(&'static str, f64)>,
}

pub type Result<T> = std::result::Result<T, PrimaryLeaseError>;

impl PrimaryLeaseError {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        PrimaryLeaseError {
            code,
            message: message.into(),
            numbers: Vec::new(),
        }
    }

    pub fn with_number(mut self, name: &'static str, number: f64) -> Self {
        self.numbers.push((name, number));
        self
    }

    /// Only a person can mend it.
    pub fn denied(cause: &str) -> Self {
        let cause = cause.trim_end_matches('.');
        PrimaryLeaseError::new(
            Code::StoreDenied,
            format!("redis refuses this server: {cause}"),
        )
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        PrimaryLeaseError::new(Code::InvalidConfig, message)
    }

    /// The operating system refused the background thread, or its randomness.
    pub fn no_thread(error: &io::Error) -> Self {
        let message = format!("the background thread could not be started: {error}");
        PrimaryLeaseError::new(Code::Closed, message)
    }

    pub fn lease_lost(prefix: &str, token: u64) -> Self {
        let message = format!("the lease {token} of {prefix:?} is not held any more");
        PrimaryLeaseError::new(Code::LeaseLost, message)
    }

    /// For work that is to stop while the lease is still held for it.
    pub fn lease_ending(prefix: &str, token: u64) -> Self {
        let message = format!("the lease {token} of {prefix:?} is about to be released");
        PrimaryLeaseError::new(Code::LeaseLost, message)
    }

    /// A real `Error` with our name and code.
    pub fn to_js(&self, env: &Env) -> napi::Result<Object<'static>> {
        let mut error = named(env, "PrimaryLeaseError", &self.message)?;
        js::set(&mut error, "code", Some(self.code.as_str()))?;
        for (name, number) in &self.numbers {
            js::set(&mut error, name, Some(*number))?;
        }
        Ok(error)
    }

    /// To be thrown, or to reject a promise.
    pub fn into_napi(self, env: &Env) -> napi::Error {
        match self.to_js(env) {
            Ok(error) => napi::Error::from(js::value(&error)),
            Err(error) => error,
        }
    }
}

/// A real `Error` of this name.
pub fn named(env: &Env, name: &str, message: &str) -> napi::Result<Object<'static>> {
    let error = env.create_error(napi::Error::from_reason(message))?;
    let mut error = Object::from_raw(env.raw(), error.raw());
    // As on the errors of JavaScript itself, the name is not listed among the fields.
    let name = Property::new()
        .with_utf8_name("name")?
        .with_napi_value(env, name)?
        .with_property_attributes(PropertyAttributes::Writable | PropertyAttributes::Configurable);
    error.define_properties(&[name])?;
    Ok(error)
}

impl fmt::Display for PrimaryLeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ConfigError> for PrimaryLeaseError {
    fn from(error: ConfigError) -> Self {
        PrimaryLeaseError::invalid(error.to_string())
    }
}

/// A getter of the caller's threw while we read what it gave us.
impl From<js::Thrown> for PrimaryLeaseError {
    fn from(thrown: js::Thrown) -> Self {
        PrimaryLeaseError::invalid(format!("reading the arguments failed: {thrown}"))
    }
}
