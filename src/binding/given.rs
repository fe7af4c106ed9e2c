//! Reads what a caller gave in an options object, field by field.

use std::time::Duration;

use napi::bindgen_prelude::Object;
use napi::{Env, ValueType};

use super::error::{PrimaryLeaseError, Result};
use super::js::{self, Kind, Value};

/// More than any duration may be, and far from where a duration overflows.
const MAX_MS: f64 = 1e12;

/// A timeout that can be switched off.
pub enum Limit {
    Never,
    After(Duration),
}

/// The options object as it was given.
pub struct Given<'a> {
    env: &'a Env,
    object: Option<Value>,
    /// The names of what was given.
    keys: Vec<String>,
}

impl<'a> Given<'a> {
    pub fn new(env: &'a Env, given: Value, known: &[&str]) -> Result<Self> {
        let (object, keys) = match js::kind(given)? {
            Kind::Nothing => (None, Vec::new()),
            Kind::Object(object) if js::describe(given) == "an object" => {
                let keys = Object::keys(&object).map_err(js::Thrown::from)?;
                refuse_unknown("options", &keys, known, known)?;
                (Some(given), keys)
            }
            _ => {
                return Err(PrimaryLeaseError::invalid(format!(
                    "options must be an object, got {}",
                    js::describe(given)
                )));
            }
        };
        Ok(Given { env, object, keys })
    }

    pub fn get(&self, field: &str) -> Result<Option<Value>> {
        let Some(object) = self
            .object
            .filter(|_| self.keys.iter().any(|key| key == field))
        else {
            return Ok(None);
        };
        let value = js::get(self.env, object, field)?;
        Ok(match value.get_type() {
            Ok(ValueType::Undefined) => None,
            _ => Some(value),
        })
    }

    pub fn millis(&self, field: &str) -> Result<Option<Duration>> {
        let Some(value) = self.get(field)? else {
            return Ok(None);
        };
        let got = match js::kind(value)? {
            Kind::Number(ms) if (0.0..=MAX_MS).contains(&ms) => {
                return Ok(Some(Duration::from_micros((ms * 1_000.0).round() as u64)));
            }
            Kind::Number(ms) => ms.to_string(),
            _ => js::describe(value).into(),
        };
        Err(PrimaryLeaseError::invalid(format!(
            "{field} must be a number of milliseconds, not negative, got {got}"
        )))
    }

    /// As [`Given::millis`], or `false`.
    pub fn millis_or_false(&self, field: &str) -> Result<Option<Limit>> {
        let is_false = |value| Ok::<_, js::Thrown>(matches!(js::kind(value)?, Kind::Bool(false)));
        match self.get(field)? {
            Some(value) if is_false(value)? => Ok(Some(Limit::Never)),
            _ => Ok(self.millis(field)?.map(Limit::After)),
        }
    }

    pub fn boolean(&self, field: &str) -> Result<Option<bool>> {
        let Some(value) = self.get(field)? else {
            return Ok(None);
        };
        match js::kind(value)? {
            Kind::Bool(boolean) => Ok(Some(boolean)),
            _ => Err(PrimaryLeaseError::invalid(format!(
                "{field} must be true or false, got {}",
                js::describe(value)
            ))),
        }
    }

    pub fn text(&self, field: &str) -> Result<Option<String>> {
        let Some(value) = self.get(field)? else {
            return Ok(None);
        };
        match js::kind(value)? {
            Kind::Text(text) => {
                check_text(field, value, &text)?;
                Ok(Some(text))
            }
            _ => Err(PrimaryLeaseError::invalid(format!(
                "{field} must be a string, got {}",
                js::describe(value)
            ))),
        }
    }
}

/// Refuses the first key that is not among the known ones, by name, and says what can be given.
pub fn refuse_unknown(what: &str, keys: &[String], known: &[&str], shown: &[&str]) -> Result<()> {
    match keys.iter().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => {
            let key: String = key.chars().take(40).collect();
            let known = match shown {
                [] => "none".into(),
                shown => shown.join(", "),
            };
            Err(PrimaryLeaseError::invalid(format!(
                "{what} has no option {key:?}, known: {known}"
            )))
        }
    }
}

/// An argument that has to be a string.
pub fn text(field: &str, value: Value) -> Result<String> {
    match js::kind(value)? {
        Kind::Text(text) => {
            check_text(field, value, &text)?;
            Ok(text)
        }
        _ => Err(PrimaryLeaseError::invalid(format!(
            "{field} must be a string, got {}",
            js::describe(value)
        ))),
    }
}

/// Refuses half of a surrogate pair. `text` is what was read of the value: there all halves are the same
/// replacement character, and different names one.
pub fn check_text(field: &str, value: Value, text: &str) -> Result<()> {
    if is_text(value, text)? {
        return Ok(());
    }
    let shown: String = char::decode_utf16(js::utf16(value)?)
        .take(40)
        .map(|read| match read {
            Ok(c) => c.escape_debug().to_string(),
            Err(half) => format!("\\u{:04x}", half.unpaired_surrogate()),
        })
        .collect();
    Err(not_text(field, &format!(", got \"{shown}\"")))
}

/// As [`check_text`], for what must not be repeated.
pub fn check_secret(field: &str, value: Value, text: &str) -> Result<()> {
    match is_text(value, text)? {
        true => Ok(()),
        false => Err(not_text(field, "")),
    }
}

fn is_text(value: Value, text: &str) -> Result<bool> {
    // Mostly there is nothing to look for.
    Ok(!text.contains(char::REPLACEMENT_CHARACTER)
        || char::decode_utf16(js::utf16(value)?).all(|read| read.is_ok()))
}

fn not_text(field: &str, got: &str) -> PrimaryLeaseError {
    PrimaryLeaseError::invalid(format!(
        "{field} must be text without half a surrogate pair{got}"
    ))
}

/// An argument that has to be a function.
pub fn function(field: &str, value: Value) -> Result<Value> {
    match js::is_function(value) {
        true => Ok(value),
        false => Err(PrimaryLeaseError::invalid(format!(
            "{field} must be a function, got {}",
            js::describe(value)
        ))),
    }
}
