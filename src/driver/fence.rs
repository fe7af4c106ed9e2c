use std::io;

use super::runtime;
use crate::election::Failure;
use crate::store::{FenceOutcome, FenceRequest, FenceStore};

/// Asks a store once, beginning with the call. `done` hears the answer from the background thread.
///
/// # Errors
///
/// When the background thread cannot be started; nothing was sent.
pub fn fence(
    store: &dyn FenceStore,
    request: &FenceRequest,
    done: impl FnOnce(Result<FenceOutcome, Failure>) + Send + 'static,
) -> io::Result<()> {
    let runtime = runtime()?;
    let answering = store.fence(request);
    runtime.spawn(async move { done(answering.await) });
    Ok(())
}
