//! The end of a campaign: the guarded work is drained, the place let go, and whoever waits is told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::Object;

use super::campaign::Campaign;
use super::environment::{self, Environment};
use super::error::{Code, PrimaryLeaseError};
use super::guarded;
use super::js::Thrown;
use super::promise::{self, Deferred, Gathering};
use crate::driver::now;
use crate::election::{Reason, Time};

/// What is known of the ends of a campaign, which can be established again after each.
#[derive(Default)]
pub struct Ends {
    drain: RefCell<Option<Drain>>,
    /// Callers who wait for the end, with the number of their resign.
    leaving: RefCell<Vec<(u64, Rc<Gathering>)>>,
    /// The number of the latest resign, of the latest that nobody need wait for any longer, and of the
    /// latest that has ended.
    resigned: Cell<u64>,
    answered: Cell<u64>,
    ended: Cell<u64>,
}

/// A resign that has not been sent yet: the lease is renewed until the guarded work has stopped.
#[derive(Default)]
struct Drain {
    until: Time,
    /// The one alarm that counts.
    alarm: u64,
    /// Callers who wait for the end,
    leaving: Vec<Rc<Gathering>>,
    /// and callers who want to stand again after it.
    standing: Vec<Deferred>,
}

impl Ends {
    /// The number of the latest resign.
    pub fn era(&self) -> u64 {
        self.resigned.get()
    }

    /// Nothing of a resign is on its way any more.
    pub fn are_over(&self) -> bool {
        self.ended.get() >= self.resigned.get()
    }

    /// Keeps a caller until the drain is over; gives it back where there is none.
    pub fn keep_until_drained(&self, deferred: Deferred) -> Option<Deferred> {
        match &mut *self.drain.borrow_mut() {
            Some(drain) => {
                drain.standing.push(deferred);
                None
            }
            None => Some(deferred),
        }
    }

    /// The resign with this number, and each before it, has ended.
    pub fn end(&self, resign: u64) {
        self.ended.set(resign);
        self.answer(resign);
    }

    /// Nobody waits any longer for the end of the resign with this number, or of one before it.
    pub fn answer(&self, resign: u64) {
        self.answered.set(resign.max(self.answered.get()));
        let mut leaving = self.leaving.borrow_mut();
        let (gone, others): (Vec<_>, Vec<_>) = leaving.drain(..).partition(|(n, _)| *n <= resign);
        *leaving = others;
        drop(leaving);
        for (_, gathering) in gone {
            gathering.finish();
        }
    }

    fn wait_for(&self, number: u64, gathering: Rc<Gathering>) {
        if self.answered.get() < number {
            self.leaving.borrow_mut().push((number, gathering));
        } else {
            gathering.finish();
        }
    }
}

impl Campaign {
    pub fn is_draining(&self) -> bool {
        self.ends.drain.borrow().is_some()
    }

    /// Resigns, unless that has been done already, and finishes the gathering at the end of it. The
    /// guarded work has up to `limit` to stop before that.
    pub fn resign(
        &self,
        env: &Env,
        environment: &Environment,
        limit: Duration,
        gathering: &Rc<Gathering>,
    ) {
        let mut drain = self.ends.drain.borrow_mut();
        let standing = drain.as_mut().map(|drain| drain.standing.split_off(0));
        drop(drain);
        // They asked before.
        for deferred in standing.into_iter().flatten() {
            deferred.resolve(None);
        }
        self.leave(env, environment, limit, gathering);
    }

    /// What `PrimaryLease.release()` does, for a lease of the campaign that began after the
    /// resign `era`.
    pub fn release(&self, env: &Env, era: u64) -> napi::Result<Object<'static>> {
        let (deferred, promise) = promise::pending(env)?;
        let gathering = Gathering::begin(deferred);
        // A lease of an earlier campaign was released then; a new one is not its business.
        if (era == self.ends.era() || !self.is_active())
            && let Some(environment) = environment::existing()
        {
            self.leave(env, &environment, Duration::ZERO, &gathering);
        }
        gathering.finish();
        Ok(promise)
    }

    /// For the end of the environment: the number to wait for, if anything may be on its way.
    /// Nothing is drained, since no work would stop any more.
    pub fn exit(&self) -> Option<u64> {
        if self.is_active() {
            self.send_resign(Reason::Exit);
        }
        (!self.ends.are_over()).then(|| self.ends.era())
    }

    /// One call of guarded work has ended: it may have been the last that a drain waits for.
    pub fn work_ended(&self, env: &Env, environment: &Environment) {
        if self.is_draining() && !guarded::is_going(environment, &self.prefix) {
            self.let_go(env);
        }
    }

    /// Ends a drain, if there is one: there is nothing left to be kept for the work.
    pub fn stop_draining(&self, env: &Env) {
        if self.is_draining() {
            self.let_go(env);
        }
    }

    /// The lease could not be handed to JavaScript, or not to all of it: rather than kept by nobody,
    /// it is let go. Whoever waits for it is refused.
    pub fn give_up(&self, env: &Env, environment: &Environment, why: &Thrown) {
        let (id, prefix) = (environment.id, &*self.prefix);
        tracing::error!(environment = id, prefix, error = %why, "a lease could not be handed over, and is resigned");
        if self.is_active() {
            self.handle.end_lease();
            self.abort(env);
            let drain = self.ends.drain.take().unwrap_or_default();
            let number = self.send_resign(Reason::Internal);
            for gathering in drain.leaving {
                self.ends.wait_for(number, gathering);
            }
            for deferred in drain.standing {
                deferred.reject(self.not_handed_over(why));
            }
        }
        for (_, deferred) in self.waiting.take() {
            deferred.reject(self.not_handed_over(why));
        }
    }

    pub fn not_handed_over(&self, why: &Thrown) -> PrimaryLeaseError {
        let message = format!(
            "the lease of {:?} could not be handed over, and was resigned: {why}",
            self.prefix
        );
        PrimaryLeaseError::new(Code::Closed, message)
    }

    fn send_resign(&self, reason: Reason) -> u64 {
        self.active.set(false);
        let number = self.handle.resign(reason);
        self.ends.resigned.set(number);
        number
    }

    fn leave(
        &self,
        env: &Env,
        environment: &Environment,
        limit: Duration,
        gathering: &Rc<Gathering>,
    ) {
        if !self.is_active() {
            return self.ends.wait_for(self.ends.era(), gathering.add());
        }
        let until = now() + limit;
        let first = !self.is_draining();
        let mut present = self.ends.drain.borrow_mut();
        let drain = present.get_or_insert_with(|| Drain {
            until,
            alarm: 0,
            leaving: Vec::new(),
            standing: Vec::new(),
        });
        drain.leaving.push(gathering.add());
        if !first && drain.until <= until {
            return;
        }
        drain.until = until;
        drop(present);
        let works = self.is_held() && guarded::is_going(environment, &self.prefix);
        if limit.is_zero() || !works {
            return self.let_go(env);
        }
        if first {
            self.abort(env);
        }
        self.set_alarm(environment);
    }

    fn set_alarm(&self, environment: &Environment) {
        let mut drain = self.ends.drain.borrow_mut();
        // Who listens to the signal may have let go.
        let Some(drain) = &mut *drain else {
            return;
        };
        let (number, alarm) = (self.number, environment.next_number());
        drain.alarm = alarm;
        environment.after(drain.until.since(now()), move |env, environment| {
            if let Some(campaign) = environment.numbered(number) {
                campaign.hear_alarm(env, environment, alarm);
            }
        });
    }

    fn hear_alarm(&self, env: &Env, environment: &Environment, alarm: u64) {
        let drain = self.ends.drain.borrow();
        let is_present = drain.as_ref().is_some_and(|drain| drain.alarm == alarm);
        drop(drain);
        if is_present {
            guarded::report_undrained(environment, &self.prefix);
            self.let_go(env);
        }
    }

    /// Sends the resign that has been put off, and stands again for whoever has asked since.
    fn let_go(&self, env: &Env) {
        self.handle.end_lease();
        // Before anything is sent: the work stops before another server is let in.
        self.abort(env);
        // Who listens to the signal may have let go.
        let Some(drain) = self.ends.drain.take() else {
            return;
        };
        let number = self.send_resign(Reason::Resigned);
        for gathering in drain.leaving {
            self.ends.wait_for(number, gathering);
        }
        for deferred in drain.standing {
            self.establish(deferred);
        }
    }
}
