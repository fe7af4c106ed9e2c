//! How a candidate moves from one state to the next.

use std::time::Duration;

use super::config::MIN_RENEW_INTERVAL;
use super::lease::Lease;
use super::pending_release::{PendingRelease, Step};
use super::state::{Standing, State, Term};
use super::timer::Timer;
use super::{
    Answer, Election, Event, Failure, Identity, Output, Reason, Record, Time, Token, planted,
};

/// How many given-up identities are remembered.
const REMEMBERED: usize = 8;

impl Election {
    /// Stands for election with a new identity, and asks at once.
    pub(super) fn stand(&mut self, now: Time) {
        if self.suspended {
            return self.pause();
        }
        let identity = Identity::new(self.random.next_u128());
        #[cfg(test)]
        let identity = self.mistakes.mistake_identity(identity);
        self.state = State::Standing(Standing {
            identity,
            may_be_granted: false,
        });
        self.in_flight = None;
        self.due = true;
        self.timers.clear(Timer::Poll);
        // One that is ripe already goes out with the first acquire.
        if self.takeover_at().is_some_and(|at| at > now) {
            self.set_ripe_timer();
        }
    }

    /// Stops standing and only looks on.
    pub(super) fn look_on(&mut self, now: Time) {
        self.leave(now, Reason::Resigned);
        if self.suspended {
            return self.pause();
        }
        self.state = State::Watching;
        self.due = false;
        self.timers.set(Timer::Poll, now + self.poll_interval());
    }

    /// Does nothing until the event loop turns again. The caller has left the present state.
    pub(super) fn pause(&mut self) {
        self.state = State::Suspended;
        self.due = false;
        self.attempts = 0;
        // Nobody waits for the store meanwhile, and so nobody finds it unavailable.
        self.health.waiting_since = None;
        self.timers.clear_all();
    }

    /// Stands again after a term or a rest, if anybody wants it.
    pub(super) fn go_on(&mut self, now: Time) {
        let rests = self.timers.is_set(Timer::Rest);
        if self.asked.is_some() || (self.listening && !rests) {
            self.stand(now);
        } else {
            self.look_on(now);
        }
    }

    /// The acquire that was sent at `sent_at` was granted to the present standing.
    pub(super) fn elect(&mut self, now: Time, sent_at: Time, record: &Record, listeners: u32) {
        let State::Standing(Standing { identity, .. }) = self.state else {
            return;
        };
        let lease = Lease::new(identity, record.token, sent_at, &self.config);
        if lease.step_down_at() <= now {
            // Too late to be believed, and nobody was told: given back, and asked for again.
            self.give_up(identity, now);
            self.release_ghost(now, identity);
            self.stand(now);
            return;
        }
        self.timers.clear(Timer::Poll);
        self.timers.clear(Timer::Takeover);
        self.timers.clear(Timer::Ripe);
        self.timers.clear(Timer::Retry);
        self.timers.set(Timer::StepDown, lease.step_down_at());
        self.renew_after(sent_at, sent_at, true);
        self.due = false;
        self.attempts = 0;
        self.view = None;
        self.signed_at = None;
        self.elected_at = now;
        self.outputs
            .push_back(Output::Event(Event::Elected(lease.grant())));
        self.answer(Answer::Elected(lease.token));
        self.state = State::Primary(Term {
            lease,
            over: None,
            failing: false,
            listeners,
            late: false,
            asked: false,
        });
    }

    /// Sets when the next renewal is due, and when it is late, after one that was sent at `sent_at` and whose answer is heard now; `again`
    /// where others may have been confirmed with it, from which it is to be parted.
    pub(super) fn renew_after(&mut self, now: Time, sent_at: Time, anew: bool) {
        let interval = self.config.renew_interval_after(now.since(sent_at));
        let latest = interval.saturating_sub(MIN_RENEW_INTERVAL);
        let earlier = match anew {
            true => self.random.up_to(self.config.renew_spread.min(latest)),
            false => Duration::ZERO,
        };
        let due = sent_at + (interval - earlier);
        // Halfway from when it is due at the latest to the step-down deadline.
        let late = interval + self.config.term().saturating_sub(interval) / 2;
        self.timers.set(Timer::RenewalLate, sent_at + late);
        self.timers.set(
            Timer::Renew,
            due.earlier_multiple_of(self.config.renew_grid),
        );
    }

    /// Stops being primary, not on purpose.
    pub(super) fn lose(&mut self, now: Time, reason: Reason) {
        let State::Primary(term) = std::mem::replace(&mut self.state, State::Lapsed) else {
            return;
        };
        let lease = &term.lease;
        self.give_up(lease.identity, lease.window_end());
        self.stop_term_timers();
        self.outputs.push_back(Output::Event(Event::Lost {
            token: lease.token,
            reason,
        }));
        if reason == Reason::Superseded {
            self.go_on(now);
            return;
        }
        // Work in flight has until the window's end to stop; only then is anybody let in.
        let window_end = lease.window_end().max(now);
        self.release_later(PendingRelease {
            identity: lease.identity,
            term: None,
            over: None,
            listeners: term.listeners,
            reason: Some(reason),
            step: Step::Due(window_end),
            attempts: 0,
            window_end,
        });
        self.timers.set(Timer::WindowEnd, window_end);
    }

    /// Gives up what the present state holds on purpose, and says whether that was a lease. The
    /// caller sets the next state.
    pub(super) fn leave(&mut self, now: Time, reason: Reason) -> Option<Token> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle | State::Watching | State::Suspended => None,
            State::Standing(standing) => {
                self.give_up(standing.identity, now);
                let unanswered = |(_, open): &(u64, Identity)| *open == standing.identity;
                if standing.may_be_granted || self.open_acquires.iter().any(unanswered) {
                    self.release_ghost(now, standing.identity);
                }
                self.stop_standing_timers();
                None
            }
            State::Primary(term) => {
                let lease = term.lease;
                self.give_up(lease.identity, now);
                self.stop_term_timers();
                self.release_later(PendingRelease {
                    identity: lease.identity,
                    term: Some((lease.token, lease.step_down_at())),
                    over: None,
                    listeners: term.listeners,
                    reason: Some(reason),
                    step: Step::Due(now),
                    attempts: 0,
                    window_end: lease.window_end(),
                });
                Some(lease.token)
            }
            State::Lapsed => {
                // The caller has resigned: there is no work left to wait for.
                for pending_release in &mut self.pending_releases {
                    if pending_release.due_at().is_some() {
                        pending_release.step = Step::Due(now);
                    }
                }
                None
            }
        }
    }

    /// Forgets what belonged to the campaign that was left.
    pub(super) fn end_campaign(&mut self) {
        self.state = State::Idle;
        self.in_flight = None;
        self.due = false;
        self.attempts = 0;
        self.watch = None;
        self.yields = Duration::ZERO;
        self.signed_at = None;
        self.view = None;
        self.hints = Default::default();
        self.said_nobody_listens = false;
        self.failures = 0;
        self.health = Default::default();
        self.timers.clear_all();
        self.ending = true;
    }

    /// Settles until when the caller of a resign waits at most. What was held until now has run out
    /// when its window ends, whatever the store says. Where nothing was, no work rests on the answer,
    /// and one command's time is enough: what may have been granted is released behind.
    pub(super) fn bound_resign(&mut self, now: Time) {
        if planted!(ResignAwaitsRelease) {
            return;
        }
        let windows = self
            .pending_releases
            .iter()
            .map(|pending_release| pending_release.window_end);
        let latest = windows.filter(|end| *end > now).max();
        let until = latest.unwrap_or(now + self.config.command_bound());
        // What an earlier caller waits for was confirmed since, unless this one waits for it too.
        for earlier in &mut self.leaving {
            *earlier = until.min(*earlier);
        }
        self.leaving.push_back(until);
    }

    /// The store refuses an establishing caller for good.
    pub(super) fn end_denied(&mut self, now: Time, failure: &Failure) {
        self.leave(now, Reason::Resigned);
        let cause = failure.cause().clone();
        self.end_campaign();
        self.answer(Answer::Denied { cause });
    }

    /// Remembers an identity that is not used any more.
    pub(super) fn give_up(&mut self, identity: Identity, window_end: Time) {
        if planted!(IdentityPerProcess) {
            return;
        }
        if self.given_up.len() == REMEMBERED {
            self.given_up.pop_front();
        }
        self.given_up.push_back((identity, window_end));
    }

    fn stop_term_timers(&mut self) {
        self.in_flight = None;
        self.due = false;
        self.timers.clear(Timer::StepDown);
        self.timers.clear(Timer::Renew);
        self.timers.clear(Timer::Aside);
        if !planted!(LateAfterLost) {
            self.timers.clear(Timer::RenewalLate);
        }
    }

    fn stop_standing_timers(&mut self) {
        self.in_flight = None;
        self.due = false;
        self.timers.clear(Timer::Poll);
        self.timers.clear(Timer::Takeover);
        self.timers.clear(Timer::Ripe);
    }
}
