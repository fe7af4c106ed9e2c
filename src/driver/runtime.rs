//! The background runtime of this process.

use std::future::pending;
use std::io;
use std::thread;

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Handle};

static RUNTIME: OnceCell<Handle> = OnceCell::new();
static COMMAND_RUNTIME: OnceCell<Handle> = OnceCell::new();

/// The one thread on which every campaign and every connection runs, started by the first
/// caller and never stopped: a runtime that ends with an environment takes the renewals of the
/// others with it.
///
/// # Errors
///
/// When the operating system refuses the thread. The next call tries again.
pub fn runtime() -> io::Result<&'static Handle> {
    RUNTIME.get_or_try_init(|| start("primary-lease"))
}

/// The worker thread of the callers' commands, started by the first of them: renewals do not wait for a
/// large one to be read or written.
///
/// # Errors
///
/// As [`runtime`].
pub fn command_runtime() -> io::Result<&'static Handle> {
    COMMAND_RUNTIME.get_or_try_init(|| start("lease-commands"))
}

fn start(thread: &str) -> io::Result<Handle> {
    // Not tokio's pool of one worker: that one writes to itself and wakes itself whenever a timer rings.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let named = thread::Builder::new().name(thread.into());
    named.spawn(move || runtime.block_on(pending::<()>()))?;
    Ok(handle)
}

/// Calls it when the background has done what it is at, or at once where there is no background.
pub fn soon(call: impl FnOnce() + Send + 'static) {
    match RUNTIME.get() {
        Some(runtime) => drop(runtime.spawn(async move { call() })),
        None => call(),
    }
}
