//! Looks at what is in a store, without taking part.

use std::io;
use std::time::Duration;

use super::runtime::command_runtime;
use super::store;
use crate::election::Failure;
use crate::store::{Answering, Backend, ElectionLook, ListLook, Source};

/// Looks at an election, by its name. `done` hears the answer from the thread of the commands.
///
/// # Errors
///
/// When a background thread cannot be started; nothing was sent.
pub fn look(
    source: &Source,
    name: &str,
    within: Option<Duration>,
    done: impl FnOnce(Result<ElectionLook, Failure>) + Send + 'static,
) -> io::Result<()> {
    ask(source, |store| store.look(name, within), done)
}

/// Looks for elections and run leases from this cursor on. As [`look`].
///
/// # Errors
///
/// As [`look`].
pub fn list(
    source: &Source,
    cursor: u64,
    within: Option<Duration>,
    done: impl FnOnce(Result<ListLook, Failure>) + Send + 'static,
) -> io::Result<()> {
    ask(source, |store| store.list(cursor, within), done)
}

fn ask<T: 'static>(
    source: &Source,
    question: impl FnOnce(&dyn Backend) -> Answering<T>,
    done: impl FnOnce(Result<T, Failure>) + Send + 'static,
) -> io::Result<()> {
    // A long answer is not to be read where renewals are sent.
    let runtime = command_runtime()?;
    let answering = question(&*store(source)?);
    runtime.spawn(async move { done(answering.await) });
    Ok(())
}
