//! The arguments of a caller's command, as bytes.

use napi::bindgen_prelude::Uint8ArraySlice;
use napi::{Env, JsValue, ValueType};

use super::environment::Environment;
use super::error::{PrimaryLeaseError, Result};
use super::js::{self, Kind, Value};
use super::shelf::Place;
use crate::store::{MAX_ARGUMENT_BYTES, MAX_ARGUMENTS, MAX_COMMAND_BYTES};

/// A command that is being read. Small arguments are copied with the call, large ones a slice at each
/// turn of the event loop: it goes on turning meanwhile.
pub struct Arguments {
    parts: Vec<Part>,
    /// The first that is not copied yet.
    next: usize,
    bytes: usize,
}

enum Part {
    Copied(Vec<u8>),
    /// Its bytes so far, of how many, and where the rest is.
    Bytes(Vec<u8>, usize, Place),
    /// Its bytes so far, and how many of its UTF-16 units they are, of how many.
    Text(Vec<u8>, usize, usize, Place),
}

impl Arguments {
    pub fn read(env: &Env, environment: &Environment, args: Value) -> Result<Self> {
        let length = match js::kind(args)? {
            Kind::Object(object) if object.is_array().unwrap_or(false) => {
                js::read::<u32>(js::get(env, args, "length")?)? as usize
            }
            _ => {
                return Err(PrimaryLeaseError::invalid(format!(
                    "args must be an array of strings and Buffers, got {}",
                    js::describe(args)
                )));
            }
        };
        if !(1..=MAX_ARGUMENTS).contains(&length) {
            return Err(PrimaryLeaseError::invalid(format!(
                "args must have 1 to {MAX_ARGUMENTS} elements, the command first, got {length}"
            )));
        }
        let mut arguments = Arguments {
            parts: Vec::with_capacity(length),
            next: 0,
            bytes: 0,
        };
        for index in 0..length {
            let argument = js::get(env, args, &index.to_string())?;
            let read = arguments.read_one(env, environment, argument, index);
            if let Err(error) = read {
                arguments.give_back(env, environment);
                return Err(error);
            }
        }
        Ok(arguments)
    }

    fn read_one(
        &mut self,
        env: &Env,
        environment: &Environment,
        argument: Value,
        index: usize,
    ) -> Result<()> {
        let part = if argument.get_type().map_err(js::Thrown::from)? == ValueType::String {
            let units = js::length(env, argument)?;
            // Each is a byte at least.
            self.count(index, units, units)?;
            match units <= AT_ONCE {
                true => {
                    let text = js::read::<String>(argument)?.into_bytes();
                    self.count(index, text.len(), text.len() - units)?;
                    Part::Copied(text)
                }
                false => Part::Text(Vec::new(), 0, units, environment.shelf.put(env, argument)?),
            }
        } else {
            let bytes = bytes(argument, index)?;
            self.count(index, bytes.len(), bytes.len())?;
            match bytes.len() <= AT_ONCE {
                true => Part::Copied(bytes.to_vec()),
                false => {
                    let mut copied = Vec::new();
                    copied.try_reserve_exact(bytes.len()).map_err(|error| {
                        PrimaryLeaseError::invalid(format!(
                            "args[{index}] cannot be copied: {error}"
                        ))
                    })?;
                    Part::Bytes(copied, bytes.len(), environment.shelf.put(env, argument)?)
                }
            }
        };
        self.parts.push(part);
        Ok(())
    }

    /// Counts `more` bytes of an argument that has so many by now.
    fn count(&mut self, index: usize, of_argument: usize, more: usize) -> Result<()> {
        self.bytes += more;
        if of_argument > MAX_ARGUMENT_BYTES {
            return Err(PrimaryLeaseError::invalid(format!(
                "args[{index}] must have at most {MAX_ARGUMENT_BYTES} bytes (512 MB), which is what Redis \
                 takes, got {of_argument}"
            )));
        }
        if self.bytes > MAX_COMMAND_BYTES {
            return Err(PrimaryLeaseError::invalid(format!(
                "args must have at most {MAX_COMMAND_BYTES} bytes together, got {} up to args[{index}]",
                self.bytes
            )));
        }
        Ok(())
    }

    pub fn is_complete(&self) -> bool {
        let rest = self.parts.get(self.next..).unwrap_or_default();
        rest.iter().all(|part| matches!(part, Part::Copied(_)))
    }

    pub fn into_command(self) -> Vec<Vec<u8>> {
        let parts = self.parts.into_iter();
        let copied = parts.map(|part| match part {
            Part::Copied(bytes) | Part::Bytes(bytes, ..) | Part::Text(bytes, ..) => bytes,
        });
        copied.collect()
    }

    /// Copies as much as the event loop can do in one turn without being missed.
    ///
    /// # Errors
    ///
    /// When an argument is too large, or is not any more what it was.
    pub fn copy_slice(&mut self, env: &Env, environment: &Environment) -> Result<()> {
        while let Some(Part::Copied(_)) = self.parts.get(self.next) {
            self.next += 1;
        }
        let index = self.next;
        let Some(part) = self.parts.get_mut(index) else {
            return Ok(());
        };
        let mut more = 0;
        let (so_far, is_whole) = match part {
            Part::Copied(_) => return Ok(()),
            Part::Bytes(copied, length, place) => {
                let whole = bytes(environment.shelf.get(env, place)?, index)?;
                if whole.len() != *length {
                    return Err(PrimaryLeaseError::invalid(format!(
                        "args[{index}] must not change until it is sent: it had {length} bytes and has {}",
                        whole.len()
                    )));
                }
                let end = whole.len().min(copied.len() + SLICE);
                copied.extend_from_slice(&whole[copied.len()..end]);
                (copied.len(), end == whole.len())
            }
            Part::Text(copied, at, units, place) => {
                let whole = environment.shelf.get(env, place)?;
                let mut end = (*at + SLICE).min(*units);
                if end < *units && is_high_surrogate(env, whole, end - 1)? {
                    end -= 1;
                }
                let slice = slice(env, whole, *at, end)?;
                copied.extend_from_slice(slice.as_bytes());
                // One byte for each of its units has been counted.
                more = slice.len().saturating_sub(end - *at);
                *at = end;
                (copied.len(), end == *units)
            }
        };
        self.count(index, so_far, more)?;
        if is_whole {
            let part = std::mem::replace(&mut self.parts[index], Part::Copied(Vec::new()));
            if let Part::Bytes(copied, _, place) | Part::Text(copied, _, _, place) = part {
                environment.shelf.take(env, place)?;
                self.parts[index] = Part::Copied(copied);
            }
        }
        Ok(())
    }

    /// Lets go of what is not copied.
    pub fn give_back(self, env: &Env, environment: &Environment) {
        for part in self.parts {
            if let Part::Bytes(_, _, place) | Part::Text(_, _, _, place) = part {
                // Nothing to be done about a place that cannot be emptied.
                let _ = environment.shelf.take(env, place);
            }
        }
    }
}

fn bytes(argument: Value, index: usize) -> Result<Uint8ArraySlice<'static>> {
    let wrong = |got: &str| {
        Err(PrimaryLeaseError::invalid(format!(
            "args[{index}] must be a string or a Buffer, got {got}"
        )))
    };
    match js::kind(argument)? {
        Kind::Object(object) if object.is_typedarray().unwrap_or(false) => {
            js::read(argument).or_else(|_| wrong("an array of another type"))
        }
        _ => wrong(js::describe(argument)),
    }
}

fn slice(env: &Env, text: Value, from: usize, to: usize) -> Result<String> {
    let range = [js::make(env, from as f64)?, js::make(env, to as f64)?];
    Ok(js::read(js::invoke(env, text, "slice", &range)?)?)
}

/// The next unit belongs to it.
fn is_high_surrogate(env: &Env, text: Value, at: usize) -> Result<bool> {
    let unit = js::invoke(env, text, "charCodeAt", &[js::make(env, at as f64)?])?;
    Ok((0xd800..0xdc00).contains(&js::read::<u32>(unit)?))
}

/// What is copied within the call: less than a tenth of a millisecond.
const AT_ONCE: usize = 256 * 1024;
/// About a millisecond.
const SLICE: usize = 2 * 1024 * 1024;
