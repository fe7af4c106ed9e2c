//! Looks at what is in a store, for whoever takes part in nothing.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::runtime::command_runtime;
use super::{now, store};
use crate::election::{Command, Failure, Outcome, Reply, Request, Token};
use crate::store::{Answering, Backend, ElectionLook, ListLook, Source, Target};

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

/// Asks the primary of an election to resign, where this is its token. `done` hears whether it was asked. As
/// [`look`].
///
/// # Errors
///
/// As [`look`].
pub fn ask_to_resign(
    source: &Source,
    name: &str,
    token: Token,
    within: Duration,
    done: impl FnOnce(Result<bool, Failure>) + Send + 'static,
) -> io::Result<()> {
    // Nothing of a server is written.
    let nobody: Arc<str> = "".into();
    let target = Target {
        name: name.into(),
        server: nobody.clone(),
        entry: nobody,
    };
    let request = Request {
        id: 0,
        sent_at: now(),
        bound: within,
        command: Command::AskToResign { token: Some(token) },
    };
    let done = |answer: Result<Reply, Failure>| {
        done(answer.map(|reply| reply.outcome == Outcome::Asked));
    };
    ask(source, |store| store.send(&target, &request), done)
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
