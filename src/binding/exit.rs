//! The end of an environment: every lease is let go, with one bounded wait for all of them.

use std::time::Duration;

use napi::Env;

use super::environment::{existing, forget};
use super::{js, logging};
use crate::driver::{now, wait_ended, wait_runs_ended};

/// Sees to it that the end of this environment is noticed.
///
/// JavaScript's `exit` event comes with `process.exit`, an uncaught exception and a natural end;
/// Node-API's clean-up hook with a worker that is terminated. No signal handler is installed: that
/// would change what a signal does to the process.
pub fn watch(env: &Env) -> napi::Result<()> {
    let released = js::function(env, "releaseLeases", |_, _| leave())?;
    let process = js::global(env, "process")?;
    let event = js::make(env, "exit")?;
    js::invoke(env, process, "once", &[event, released])?;
    let raw = env.raw();
    env.add_env_cleanup_hook((), move |()| {
        leave();
        if let Some(environment) = existing() {
            logging::detach(environment.id);
            let env = Env::from_raw(raw);
            for campaign in environment.campaigns.take() {
                campaign.drop_references(&env);
            }
            environment.listeners.take();
            environment.jobs.take();
            environment.shelf.clear(&env);
        }
        forget();
    })?;
    Ok(())
}

/// Lets go of everything this environment holds. Waits only where something is on its way.
fn leave() {
    let Some(environment) = existing() else {
        return;
    };
    // Both hooks run at a natural end, and it is waited for once.
    if environment.closed.replace(true) {
        return;
    }
    let campaigns = environment.campaigns.borrow().clone();
    // All are sent before any is waited for.
    let mut leaving = Vec::new();
    let mut timeout = Duration::ZERO;
    for campaign in campaigns {
        if let Some(number) = campaign.exit() {
            timeout = timeout.max(campaign.options.exit_timeout);
            leaving.push((campaign.handle.clone(), number));
        }
    }
    let jobs: Vec<_> = environment.jobs.borrow().values().cloned().collect();
    let mut running = Vec::new();
    for job in jobs {
        if let Some(handle) = job.exit() {
            timeout = timeout.max(job.exit_timeout);
            running.push(handle);
        }
    }
    let until = now() + timeout;
    wait_ended(&leaving, timeout);
    if !running.is_empty() {
        wait_runs_ended(&running, until.since(now()));
    }
}
