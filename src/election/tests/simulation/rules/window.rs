use std::time::Duration;

use super::Verdict;
use crate::election::{Time, Token};

/// R5: a window runs from the send of the confirmed request, and no late reply revives a term.
#[derive(Default)]
pub struct Window {
    term: Option<(Token, Time)>,
    /// A user was told that the lease of this token is not held any more.
    told_expired: Option<Token>,
}

/// The figures of docs/protocol.md, on their own: a mistake in the machine's must not hide here too.
pub struct Arithmetic {
    pub ttl: Duration,
}

impl Arithmetic {
    pub fn window(&self) -> Duration {
        self.ttl * 98 / 100 - Duration::from_millis(20)
    }

    pub fn work_in_flight(&self) -> Duration {
        self.ttl / 5
    }

    pub fn term(&self) -> Duration {
        self.window() - self.work_in_flight()
    }

    pub fn ripe(&self, record_ttl: Duration) -> Duration {
        self.ttl.max(record_ttl) * 102 / 100 + Duration::from_millis(20)
    }
}

impl Window {
    /// Elected, or extended, on the answer to a request that was really sent at `sent`.
    pub fn confirmed(
        &mut self,
        now: Time,
        token: Token,
        step_down_at: Time,
        sent: Time,
        arithmetic: &Arithmetic,
    ) -> Verdict {
        let extends = self.term.filter(|(known, _)| *known == token);
        self.term = Some((token, step_down_at));
        let latest = sent + arithmetic.term();
        if step_down_at > latest {
            return Err(format!(
                "the term of token {token} is {:?} longer than its request allows, counted from \
                 the send",
                step_down_at.since(latest)
            ));
        }
        if now >= latest {
            return Err(format!(
                "token {token} was confirmed by a reply that came {:?} after its own step-down \
                 deadline",
                now.since(latest)
            ));
        }
        match extends {
            Some((_, deadline)) if now >= deadline => Err(format!(
                "a late reply revived token {token}, {:?} after its step-down deadline",
                now.since(deadline)
            )),
            Some(_) if self.told_expired == Some(token) => Err(format!(
                "token {token} was extended after a user was told that it is not held"
            )),
            _ => Ok(()),
        }
    }

    /// A user looked and was told that the lease is not held.
    pub fn told_expired(&mut self, token: Token) {
        self.told_expired = Some(token);
    }

    pub fn was_told(&self, token: Token) -> bool {
        self.told_expired == Some(token)
    }

    pub fn ended(&mut self) {
        self.term = None;
    }
}
