use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use crate::election::{Time, Token};

/// What JavaScript and the driver share about one lease: until when it is held.
///
/// Once somebody was told that the lease is not held it never is again: whoever sees the deadline
/// passed writes so, and an extension that comes later is refused.
#[derive(Debug)]
pub struct LeaseCell {
    token: Token,
    /// The step-down deadline in microseconds of the driver's clock, or [`ENDED`], or [`OVER`].
    held_until: AtomicU64,
    /// Somebody works under it.
    taken: AtomicU8,
}

const NOBODYS: u8 = 0;
const TAKEN: u8 = 1;
/// It was to be renewed, and was nobody's.
const LET_RUN_OUT: u8 = 2;

/// What [`LeaseCell::take`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    InTime,
    /// It is held, and was not renewed when that was due: the one that renews is to be told.
    Late,
    /// It is not held any more, or not for long enough.
    TooLate,
}

/// No deadline is zero: it lies a term behind the send of a request, wherever the clock begins (with the
/// machine, or on Windows when it is first read).
const ENDED: u64 = 0;
/// The same, where the work under it was over while it was held.
const OVER: u64 = 1;

impl LeaseCell {
    pub fn new(token: Token, held_until: Time) -> Self {
        LeaseCell {
            token,
            held_until: AtomicU64::new(held_until.as_micros()),
            taken: AtomicU8::new(NOBODYS),
        }
    }

    /// Work under it begins, if it is held for so long at `least`.
    pub fn take(&self, now: Time, least: Duration) -> Taken {
        let remaining = self.remaining(now);
        match !remaining.is_zero() && remaining >= least {
            false => Taken::TooLate,
            true if self.taken.swap(TAKEN, Ordering::AcqRel) == LET_RUN_OUT => Taken::Late,
            true => Taken::InTime,
        }
    }

    pub fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Acquire) == TAKEN
    }

    /// Whether somebody has taken it, as it is to be renewed: from here on whoever takes it is late.
    pub(super) fn is_taken_in_time(&self) -> bool {
        let (order, failed) = (Ordering::AcqRel, Ordering::Acquire);
        let let_run_out = self
            .taken
            .compare_exchange(NOBODYS, LET_RUN_OUT, order, failed);
        let_run_out == Err(TAKEN)
    }

    pub fn token(&self) -> Token {
        self.token
    }

    pub fn is_held(&self, now: Time) -> bool {
        !self.remaining(now).is_zero()
    }

    /// How long the lease is still held unless a renewal is confirmed; zero when it is not.
    pub fn remaining(&self, now: Time) -> Duration {
        let mut until = self.held_until.load(Ordering::Acquire);
        while until > OVER && until <= now.as_micros() {
            match self.replace(until, ENDED) {
                Ok(_) => until = ENDED,
                // Extended, or ended, since we looked.
                Err(present) => until = present,
            }
        }
        Time::from_micros(until).since(now)
    }

    /// The work under it is over, if it is held: whatever comes later, it was done in time.
    pub fn finish(&self, now: Time) {
        let mut until = self.held_until.load(Ordering::Acquire);
        while until > now.as_micros() {
            match self.replace(until, OVER) {
                Ok(_) => return,
                Err(present) => until = present,
            }
        }
        self.end();
    }

    /// Whether [`LeaseCell::finish`] was in time.
    pub fn is_over(&self) -> bool {
        self.held_until.load(Ordering::Acquire) == OVER
    }

    fn replace(&self, until: u64, by: u64) -> Result<u64, u64> {
        let (order, failed) = (Ordering::AcqRel, Ordering::Acquire);
        self.held_until.compare_exchange(until, by, order, failed)
    }

    /// Moves the deadline; false when somebody has been told already that the lease is not held.
    #[must_use]
    pub fn extend(&self, now: Time, held_until: Time) -> bool {
        self.is_held(now)
            && self
                .held_until
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |present| {
                    (present > OVER).then_some(held_until.as_micros().max(present))
                })
                .is_ok()
    }

    /// Not held from here on.
    pub fn end(&self) {
        let mut until = self.held_until.load(Ordering::Acquire);
        while until > OVER {
            match self.replace(until, ENDED) {
                Ok(_) => return,
                Err(present) => until = present,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Duration = Duration::from_micros(10);

    fn at(micros: u64) -> Time {
        Time::from_micros(micros)
    }

    #[test]
    fn it_is_held_until_its_deadline() {
        let cell = LeaseCell::new(Token::new(7), at(100));
        assert!(cell.is_held(at(99)));
        assert_eq!(cell.remaining(at(40)), Duration::from_micros(60));
        assert!(!cell.is_held(at(100)));
        assert_eq!(cell.remaining(at(100)), Duration::ZERO);
    }

    #[test]
    fn an_extension_moves_the_deadline_and_never_back() {
        let cell = LeaseCell::new(Token::new(7), at(100));
        assert!(cell.extend(at(50), at(200)));
        assert!(cell.extend(at(50), at(150)));
        assert!(cell.is_held(at(199)));
    }

    #[test]
    fn an_extension_after_somebody_saw_the_end_is_refused() {
        let cell = LeaseCell::new(Token::new(7), at(100));
        assert!(!cell.is_held(at(101)));
        assert!(!cell.extend(at(50), at(200)));
        assert!(!cell.is_held(at(50)));
    }

    #[test]
    fn an_extension_after_the_deadline_is_refused_though_nobody_looked() {
        let cell = LeaseCell::new(Token::new(7), at(100));
        assert!(!cell.extend(at(100), at(200)));
        assert!(!cell.is_held(at(50)));
    }

    #[test]
    fn whoever_takes_it_is_told_whether_it_was_renewed_meanwhile() {
        let in_time = LeaseCell::new(Token::new(7), at(100));
        assert_eq!(in_time.take(at(10), LEAST), Taken::InTime);
        assert!(in_time.is_taken_in_time() && in_time.is_taken());
        let late = LeaseCell::new(Token::new(7), at(100));
        assert!(!late.is_taken_in_time());
        assert_eq!(late.take(at(90), LEAST), Taken::Late);
        assert!(late.is_taken());
        let too_late = LeaseCell::new(Token::new(7), at(100));
        assert_eq!(too_late.take(at(91), LEAST), Taken::TooLate);
        assert!(!too_late.is_taken());
    }

    #[test]
    fn work_that_was_over_while_it_was_held_was_over_in_time_whatever_comes_later() {
        let in_time = LeaseCell::new(Token::new(7), at(100));
        in_time.finish(at(99));
        in_time.end();
        assert!(!in_time.is_held(at(99)) && !in_time.extend(at(99), at(200)));
        assert_eq!(in_time.remaining(at(500)), Duration::ZERO);
        assert!(in_time.is_over());
        let late = LeaseCell::new(Token::new(7), at(100));
        late.finish(at(100));
        assert!(!late.is_held(at(99)) && !late.is_over());
        let ended = LeaseCell::new(Token::new(7), at(100));
        ended.end();
        ended.finish(at(50));
        assert!(!ended.is_over());
    }

    #[test]
    fn an_ended_lease_stays_ended() {
        let cell = LeaseCell::new(Token::new(7), at(100));
        cell.end();
        assert!(!cell.extend(at(1), at(200)));
        assert!(!cell.is_held(at(1)));
    }
}
