//! The attempts to connect to a source: how long one may take, when the next is made, and why there is no connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::RedisSource;
use super::backoff::Backoff;
use super::connection::Unopened;
use super::credentials::PresentSource;
use super::opening::{CutShort, Opening};
use super::patience::{connect_bound, longest_pause};
use super::route::Route;
use super::trouble::Trouble;
use super::words::told;
use crate::election::{Failure, Random};

pub(super) struct Connecting {
    present: Arc<PresentSource>,
    /// With the credentials of the last attempt.
    source: Arc<RedisSource>,
    route: Route,
    /// Why there is no connection, for callers too.
    trouble: Arc<Mutex<Trouble>>,
    backoff: Backoff,
    /// What the last attempt was allowed, if it was cut short.
    cut: Option<Duration>,
    /// What the server has just answered, in the place of a connection.
    refusal: Option<Failure>,
}

impl Connecting {
    pub fn new(
        present: Arc<PresentSource>,
        route: Route,
        trouble: Arc<Mutex<Trouble>>,
        random: Random,
    ) -> Self {
        Connecting {
            source: present.get(),
            present,
            route,
            trouble,
            backoff: Backoff::new(random),
            cut: None,
            refusal: None,
        }
    }

    pub fn source(&self) -> &RedisSource {
        &self.source
    }

    /// The pause before the next attempt, for those who wait with these ttls.
    pub fn next_pause(&mut self, waiting: impl Iterator<Item = Duration>) -> Duration {
        self.backoff.next_pause(longest_pause(waiting))
    }

    /// The longest pause for one more, who comes during one.
    pub fn pause_for(&mut self, ttl: Duration) -> Duration {
        self.backoff.jittered(longest_pause([ttl].into_iter()))
    }

    /// Begins an attempt, for those who wait with these ttls.
    pub fn begin(&mut self, waiting: impl Iterator<Item = Duration>) -> Opening {
        self.source = self.present.get();
        let allowed = connect_bound(waiting, self.cut, self.source.connect_timeout);
        Opening::new(self.route.clone(), allowed, self.cut.is_some())
    }

    /// How long an attempt may take for one more, who comes during it.
    pub fn allowed_for(&self, ttl: Duration) -> Duration {
        connect_bound([ttl].into_iter(), None, self.source.connect_timeout)
    }

    /// An attempt has brought a connection.
    pub fn succeeded(&mut self) {
        self.present.accepted();
        self.trouble().end();
        self.refusal = None;
        self.cut = None;
    }

    /// An attempt has failed; what callers are told of it.
    pub fn failed(&mut self, unopened: Unopened) -> Failure {
        self.cut = None;
        match unopened {
            Unopened::Failed(failure) => {
                let failure = self.lost(failure);
                if matches!(failure, Failure::Denied { .. }) {
                    self.present.refused();
                }
                failure
            }
            Unopened::BrokenOff(failure) => self.broken_off(failure),
        }
    }

    /// An attempt has had its time; what callers are told of it.
    pub fn cut_short(&mut self, CutShort { allowed, progress }: CutShort) -> Failure {
        self.cut = Some(allowed);
        let cause = progress.cause(allowed, &self.source.address());
        self.broken_off(Failure::Unknown { cause })
    }

    fn broken_off(&mut self, failure: Failure) -> Failure {
        let failure = told(failure, &self.source);
        self.trouble().note_cut(Instant::now(), &failure);
        failure
    }

    /// There is no connection, or none any more, for a reason that says something about the server; what callers are
    /// told of it.
    pub fn lost(&mut self, failure: Failure) -> Failure {
        let failure = told(failure, &self.source);
        self.trouble().note(Instant::now(), &failure);
        failure
    }

    /// The connection works: should it be lost, the next attempt is made at once.
    pub fn note_use(&mut self) {
        self.backoff.reset();
    }

    /// What the server has just answered, in the place of a connection.
    pub fn refusal(&self) -> Option<&Failure> {
        self.refusal.as_ref()
    }

    /// Until the next attempt this is why there is no connection; `None` where nobody needs one.
    pub fn set_refusal(&mut self, failure: Option<Failure>) {
        self.refusal = failure.filter(is_answer);
    }

    pub fn cause(&self) -> Option<Arc<str>> {
        self.trouble().cause()
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server said so, whereas an unknown outcome may pass with the next attempt.
pub(super) fn is_answer(failure: &Failure) -> bool {
    !matches!(failure, Failure::Unknown { .. })
}
