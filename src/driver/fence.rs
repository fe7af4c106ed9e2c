use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::runtime::command_runtime;
use super::{LeaseCell, metrics, now};
use crate::election::run::RunConfig;
use crate::election::{Config, Failure};
use crate::store::{Backend, FenceOutcome, FenceRequest, fenced_election, fenced_lease};

/// Where the resources of one kind of lease are, and by which name they know it.
#[derive(Clone)]
pub struct Fence {
    store: Arc<dyn Backend>,
    lease: Arc<str>,
    /// How long nothing may move while an answer is waited for, where the lease is held for so long.
    bound: Duration,
}

impl Fence {
    /// Of an election: its name is the prefix, with the scope where there is one.
    pub fn of_election(store: Arc<dyn Backend>, name: &str, config: &Config) -> Self {
        Fence {
            store,
            lease: fenced_election(name),
            bound: config.command_bound().max(QUICKEST),
        }
    }

    /// Of the lease of a run.
    pub fn of_lease(store: Arc<dyn Backend>, resource: &str, ttl: Duration) -> Self {
        Fence {
            store,
            lease: fenced_lease(resource),
            bound: RunConfig::new(ttl).command_bound().max(QUICKEST),
        }
    }

    /// By which name resources know the lease.
    pub fn lease(&self) -> &Arc<str> {
        &self.lease
    }

    /// Asks once, beginning with the call. `done` hears the answer from the thread of the commands.
    ///
    /// # Errors
    ///
    /// When that thread cannot be started; nothing was sent.
    pub fn ask(
        &self,
        cell: &LeaseCell,
        resource: &str,
        command: Option<Vec<Vec<u8>>>,
        done: impl FnOnce(Result<FenceOutcome, Failure>) + Send + 'static,
    ) -> io::Result<()> {
        let runtime = command_runtime()?;
        // Where the store's connection for commands is to live.
        let _entered = runtime.enter();
        let answering = self.store.fence(FenceRequest {
            resource: resource.into(),
            lease: self.lease.clone(),
            token: cell.token(),
            command,
            bound: self.bound.min(cell.remaining(now())),
        });
        runtime.spawn(async move {
            let answer = answering.await;
            metrics::count_fenced(answer.as_ref().err());
            done(answer);
        });
        Ok(())
    }
}

/// A large value takes Redis some time, however short the ttl is: 40 MB about 0.2 s.
const QUICKEST: Duration = Duration::from_secs(1);

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fence")
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
