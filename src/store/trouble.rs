use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::election::Failure;

/// Why there is no connection: the best that is known of it.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    last: Option<(Instant, Failure)>,
}

impl Trouble {
    /// An attempt, or a connection, ended for a reason that says something about the server.
    pub fn note(&mut self, now: Instant, failure: &Failure) {
        self.last = Some((now, failure.clone()));
    }

    /// An attempt was cut short, or hung up on. What the server itself said a while ago says more.
    pub fn note_cut(&mut self, now: Instant, failure: &Failure) {
        let said = self.last.as_ref().is_some_and(|(at, last)| {
            !matches!(last, Failure::Unknown { .. }) && now.duration_since(*at) < KEPT
        });
        if !said {
            self.note(now, failure);
        }
    }

    /// There is a connection.
    pub fn end(&mut self) {
        self.last = None;
    }

    pub fn cause(&self) -> Option<Arc<str>> {
        self.last
            .as_ref()
            .map(|(_, failure)| failure.cause().clone())
    }
}

/// For how long what a server said explains attempts that end without a word.
const KEPT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(cause: &str) -> Failure {
        Failure::Refused {
            cause: cause.into(),
        }
    }

    fn unknown(cause: &str) -> Failure {
        Failure::Unknown {
            cause: cause.into(),
        }
    }

    #[test]
    fn what_the_server_said_outlives_attempts_that_are_cut_short_for_a_while() {
        let now = Instant::now();
        let mut trouble = Trouble::default();
        assert_eq!(trouble.cause(), None);
        trouble.note(now, &refused("LOADING"));
        trouble.note_cut(now + KEPT / 2, &unknown("no connection"));
        assert_eq!(trouble.cause().as_deref(), Some("LOADING"));
        trouble.note_cut(now + KEPT, &unknown("no connection"));
        assert_eq!(trouble.cause().as_deref(), Some("no connection"));
    }

    #[test]
    fn what_is_newer_and_says_something_counts() {
        let now = Instant::now();
        let mut trouble = Trouble::default();
        trouble.note(now, &refused("LOADING"));
        trouble.note(now, &unknown("connection refused"));
        trouble.note_cut(now, &unknown("no connection"));
        assert_eq!(trouble.cause().as_deref(), Some("no connection"));
        trouble.end();
        assert_eq!(trouble.cause(), None);
    }
}
