//! The background runtime of this process.

use std::io;

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: OnceCell<Runtime> = OnceCell::new();

/// The one worker thread on which every campaign and every connection runs, started by the first
/// caller and never stopped: a runtime that ends with an environment takes the renewals of the
/// others with it.
///
/// # Errors
///
/// When the operating system refuses the thread. The next call tries again.
pub fn runtime() -> io::Result<&'static Runtime> {
    RUNTIME.get_or_try_init(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("primary-lease")
            .enable_all()
            .build()
    })
}

/// Calls it when the background has done what it is at, or at once where there is no background.
pub fn soon(call: impl FnOnce() + Send + 'static) {
    match RUNTIME.get() {
        Some(runtime) => drop(runtime.spawn(async move { call() })),
        None => call(),
    }
}
