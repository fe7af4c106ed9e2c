use std::collections::BTreeSet;

use super::Verdict;
use crate::election::{Reason, Time, Token};

/// R4: a primary that cannot confirm a renewal steps down at its step-down deadline.
#[derive(Default)]
pub struct Deadline {
    /// The lease that the outside was told of, and its deadline by our own arithmetic.
    term: Option<(Token, Time)>,
    /// The terms that somebody asked to resign.
    asked: BTreeSet<Token>,
}

impl Deadline {
    pub fn confirmed(&mut self, token: Token, deadline: Time) {
        self.term = Some((token, deadline));
    }

    /// `Lost` was sent. Before the deadline only a newer grant, a hung event loop or failed work is a reason.
    pub fn lost(&mut self, now: Time, told_expired: bool, reason: Reason) -> Verdict {
        let term = self.term.take();
        let asked = reason == Reason::Asked;
        match term {
            Some((token, _)) if asked && !self.asked.contains(&token) => Err(format!(
                "token {token} was given back, and nobody asked for it"
            )),
            Some((token, deadline))
                if now < deadline
                    && !matches!(
                        reason,
                        Reason::Superseded | Reason::Stalled | Reason::Failed | Reason::Asked
                    )
                    && !told_expired =>
            {
                Err(format!(
                    "stepped down too early: token {token} lost as {reason:?}, {:?} before its \
                     step-down deadline",
                    deadline.since(now)
                ))
            }
            _ => Ok(()),
        }
    }

    pub fn asked(&mut self, token: Token) {
        self.asked.insert(token);
    }

    pub fn resigned(&mut self) {
        self.term = None;
    }

    /// The deadline and the worst lateness have passed: the term was extended, or `Lost` was sent.
    pub fn passed(&self, token: Token, deadline: Time) -> Verdict {
        match self.term {
            Some((held, until)) if held == token && until <= deadline => Err(format!(
                "no step-down: the step-down deadline of token {token} has passed and no 'lost' \
                 was sent"
            )),
            _ => Ok(()),
        }
    }

    /// What `isHeld` reads must not lie beyond the deadline.
    pub fn believes(&self, step_down_at: Time) -> Verdict {
        match self.term {
            Some((token, deadline)) if step_down_at > deadline => Err(format!(
                "steps down too late: token {token} is held until {:?} after its step-down \
                 deadline",
                step_down_at.since(deadline)
            )),
            _ => Ok(()),
        }
    }
}
