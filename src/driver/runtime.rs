//! The background runtime of this process.

use std::io;

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: OnceCell<Runtime> = OnceCell::new();
static COMMAND_RUNTIME: OnceCell<Runtime> = OnceCell::new();

/// The one worker thread on which every campaign and every connection runs, started by the first
/// caller and never stopped: a runtime that ends with an environment takes the renewals of the
/// others with it.
///
/// # Errors
///
/// When the operating system refuses the thread. The next call tries again.
pub fn runtime() -> io::Result<&'static Runtime> {
    RUNTIME.get_or_try_init(|| start("primary-lease"))
}

/// The worker thread of the callers' commands, started by the first of them: renewals do not wait for a
/// large one to be read or written.
///
/// # Errors
///
/// As [`runtime`].
pub fn command_runtime() -> io::Result<&'static Runtime> {
    COMMAND_RUNTIME.get_or_try_init(|| start("lease-commands"))
}

fn start(thread: &str) -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(thread)
        .enable_all()
        .build()
}

/// Calls it when the background has done what it is at, or at once where there is no background.
pub fn soon(call: impl FnOnce() + Send + 'static) {
    match RUNTIME.get() {
        Some(runtime) => drop(runtime.spawn(async move { call() })),
        None => call(),
    }
}
