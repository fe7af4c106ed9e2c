use std::io;

use super::runtime::command_runtime;
use crate::election::Failure;
use crate::store::{FenceOutcome, FenceRequest, FenceStore};

/// Asks a store once, beginning with the call. `done` hears the answer from the thread of the commands.
///
/// # Errors
///
/// When that thread cannot be started; nothing was sent.
pub fn fence(
    store: &dyn FenceStore,
    request: FenceRequest,
    done: impl FnOnce(Result<FenceOutcome, Failure>) + Send + 'static,
) -> io::Result<()> {
    let runtime = command_runtime()?;
    // Where the store's connection for commands is to live.
    let _entered = runtime.enter();
    let answering = store.fence(request);
    runtime.spawn(async move { done(answering.await) });
    Ok(())
}
