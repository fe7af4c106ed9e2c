use std::collections::BTreeSet;

use super::{Verdict, seconds};
use crate::election::Token;

/// R1: the validity windows of two leases of one election never overlap, in true time.
#[derive(Default)]
pub struct Exclusion {
    terms: Vec<Term>,
    /// For how long two windows have overlapped at most, in true microseconds.
    pub longest_overlap: u64,
    /// The older of each two: the fence refuses it, as it should.
    older: BTreeSet<Token>,
}

#[derive(Clone, Copy, Debug)]
pub struct Term {
    pub token: Token,
    pub who: usize,
    pub life: u32,
    pub start: u64,
    /// As its holder believes, by its own clock.
    pub window_end: u64,
    /// Resigned: nothing of it is believed any more.
    pub given_up: bool,
}

impl Exclusion {
    /// A candidate was elected, or its lease extended.
    pub fn believed(&mut self, now: u64, term: Term) -> Verdict {
        let same = |other: &&mut Term| other.token == term.token && other.who == term.who;
        let term = match self.terms.iter_mut().find(same) {
            Some(known) => {
                known.window_end = term.window_end;
                *known
            }
            None => {
                self.terms.push(term);
                term
            }
        };
        self.terms
            .retain(|other| other.window_end > now || other.token == term.token);
        let overlaps = |other: &&Term| {
            !other.given_up
                && (other.token, other.who, other.life) != (term.token, term.who, term.life)
                && other.window_end.min(term.window_end) > other.start.max(now)
        };
        let other = self.terms.iter().find(overlaps).copied();
        if let Some(other) = other {
            let from = other.start.max(term.start);
            let overlap = other.window_end.min(term.window_end) - from;
            self.longest_overlap = self.longest_overlap.max(overlap);
            self.older.insert(other.token.min(term.token));
        }
        match other {
            Some(other) => Err(format!(
                "two primaries: c{} with token {} believes itself valid until {}, c{} with token {} \
                 until {}",
                other.who,
                other.token,
                seconds(other.window_end),
                term.who,
                term.token,
                seconds(term.window_end),
            )),
            None => Ok(()),
        }
    }

    /// Another candidate was granted the record.
    pub fn granted(&self, now: u64, who: usize, token: Token) -> Verdict {
        let taken = self
            .terms
            .iter()
            .find(|term| !term.given_up && term.token != token && term.window_end > now);
        match taken {
            Some(term) => Err(format!(
                "a live term taken: c{who} was granted token {token} while c{} with token {} is \
                 valid until {}",
                term.who,
                term.token,
                seconds(term.window_end)
            )),
            None => Ok(()),
        }
    }

    /// A resign: a caller that resigns has no work in flight any more, of a term just lost neither.
    pub fn given_up(&mut self, who: usize, life: u32) {
        for term in &mut self.terms {
            term.given_up |= term.who == who && term.life == life;
        }
    }

    /// Whether a newer primary has been there beside the one with this token.
    pub fn is_older(&self, token: Token) -> bool {
        self.older.contains(&token)
    }

    /// The term of this token that is still believed in, if there is one.
    pub fn live(&self, now: u64, token: Token) -> Option<&Term> {
        self.terms
            .iter()
            .find(|term| term.token == token && !term.given_up && term.window_end > now)
    }
}
