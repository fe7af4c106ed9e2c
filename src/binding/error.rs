use std::{fmt, io};

use crate::election::ConfigError;

/// What a caller can decide by. The words are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    InvalidConfig,
    LeaseLost,
    StaleToken,
    StoreUnavailable,
    StoreDenied,
    Closed,
    /// An error of Redis's own, to a command of the caller's.
    Reply,
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        match self {
            Code::InvalidConfig => "ERR_INVALID_CONFIG",
            Code::LeaseLost => "ERR_LEASE_LOST",
            Code::StaleToken => "ERR_STALE_TOKEN",
            Code::StoreUnavailable => "ERR_STORE_UNAVAILABLE",
            Code::StoreDenied => "ERR_STORE_DENIED",
            Code::Closed => "ERR_CLOSED",
            Code::Reply => "REPLY",
        }
    }
}

/// What is thrown and rejected here: an `Error` with this `code`.
pub type Error = napi::Error<Code>;

pub type Result<T> = std::result::Result<T, Error>;

/// What becomes one.
#[derive(Debug)]
pub struct Cause {
    code: Code,
    message: String,
}

impl Cause {
    pub fn code(&self) -> Code {
        self.code
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        napi::Error::new(cause.code, cause.message)
    }
}

impl From<ConfigError> for Cause {
    fn from(error: ConfigError) -> Self {
        invalid(error.to_string())
    }
}

/// The operating system refused the background thread, or its randomness.
impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        new(
            Code::Closed,
            format!("the background thread could not be started: {error}"),
        )
    }
}

/// Node-API refused: the environment is ending, or an argument is of another type than the layer gives.
impl From<napi::Error> for Cause {
    fn from(error: napi::Error) -> Self {
        new(Code::Closed, error.reason.clone())
    }
}

pub fn new(code: Code, message: impl Into<String>) -> Cause {
    Cause {
        code,
        message: message.into(),
    }
}

pub fn invalid(message: impl Into<String>) -> Cause {
    new(Code::InvalidConfig, message)
}

/// Only a person can fix it.
pub fn denied(cause: &str) -> Cause {
    let cause = cause.trim_end_matches('.');
    new(
        Code::StoreDenied,
        format!("redis refuses this server: {cause}"),
    )
}

pub fn ending() -> Cause {
    new(Code::Closed, "the process is ending")
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
