use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{now, runtime};
use crate::election::{Command, Failure, Outcome, Record, Request, Token};
use crate::store::{Backend, Target};

/// Asks the primary of an election to resign, of the term with this token alone where one is given. `done` hears
/// the record, and whether it was asked.
///
/// # Errors
///
/// When the background thread cannot be started; nothing was sent.
pub fn ask_to_resign(
    store: &Arc<dyn Backend>,
    name: &str,
    token: Option<Token>,
    done: impl FnOnce(Result<(bool, Option<Record>), Failure>) + Send + 'static,
) -> io::Result<()> {
    let target = Target {
        name: name.into(),
        // It takes part in nothing.
        server: "".into(),
        entry: "".into(),
    };
    let request = Request {
        id: 1,
        sent_at: now(),
        bound: PATIENCE,
        patience: PATIENCE,
        command: Command::AskToResign { token },
    };
    let runtime = runtime()?;
    let _entered = runtime.enter();
    let answering = store.send(&target, &request);
    runtime.spawn(async move {
        let answer = answering.await;
        done(answer.map(|reply| (reply.outcome == Outcome::Asked, reply.record)));
    });
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(5);
