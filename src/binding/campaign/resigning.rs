//! How a campaign ends: at once, when the work under its lease has stopped, or with its environment.

use std::rc::Rc;
use std::time::Duration;

use napi::Env;

use super::super::ends::Put;
use super::super::environment::{Environment, Leaving, Member};
use super::super::listener::Audience;
use super::super::promise::Deferred;
use super::Campaign;
use crate::driver::now;
use crate::election::Reason;

impl Member for Campaign {
    /// Nothing is drained, since no work would stop any more.
    fn leave(&self) -> Option<Leaving> {
        if self.active.replace(false) {
            self.ends.begin(self.handle.resign(Reason::Exit));
        }
        if self.ends.are_over() {
            return None;
        }
        let (handle, era) = (self.handle.clone(), self.ends.era());
        Some(Leaving {
            timeout: self.settings.exit_timeout,
            wait: Box::new(move |until| {
                handle.wait_ended(era, until);
            }),
        })
    }
}

impl Campaign {
    /// Resigns, unless that has been done already, and answers the caller at the end of it. The work under the
    /// lease has up to `limit` to stop before that.
    pub fn resign(
        &self,
        env: &Env,
        environment: &Rc<Environment>,
        limit: Duration,
        caller: Deferred,
    ) {
        // They asked before.
        for standing in self.ends.take_standing() {
            standing.resolve(());
        }
        self.leave_after(env, environment, limit, caller);
    }

    /// What the release of a lease does that began after the resign `era`.
    pub fn release(&self, env: &Env, environment: &Rc<Environment>, era: u64, caller: Deferred) {
        // A lease of an earlier campaign was released then; a new one is not its business.
        match era == self.ends.era() || !self.is_active() {
            true => self.leave_after(env, environment, Duration::ZERO, caller),
            false => caller.resolve(()),
        }
    }

    /// Some work has ended: it may have been the last that a drain waits for.
    pub fn work_ended(&self, env: &Env, environment: &Rc<Environment>) {
        if self.ends.is_draining() && !self.works(environment) {
            self.let_go(env, environment);
        }
        self.step_aside(environment);
    }

    /// Ends a term that somebody asked for, where no work goes on under it.
    pub(super) fn step_aside(&self, environment: &Environment) {
        if let Some(token) = self.known.asked().filter(|_| !self.works(environment)) {
            self.handle.step_aside(token);
        }
    }

    fn leave_after(
        &self,
        env: &Env,
        environment: &Rc<Environment>,
        limit: Duration,
        caller: Deferred,
    ) {
        if !self.is_active() {
            return self.ends.wait_for(self.ends.era(), caller);
        }
        let until = now() + limit;
        let put = self.ends.put_off(until, caller);
        if put == Put::Later {
            return;
        }
        if limit.is_zero() || self.known.held().is_none() || !self.works(environment) {
            return self.let_go(env, environment);
        }
        self.handle.drain(until);
        if put == Put::First {
            self.tell(env, environment, "leaving");
        }
    }

    /// Sends the resign that has been put off, and stands again for whoever has asked since.
    fn let_go(&self, env: &Env, environment: &Rc<Environment>) {
        self.handle.end_lease();
        // Before anything is sent: the work stops before another server is let in.
        self.tell(env, environment, "leaving");
        // Who listens to the signal may have let go.
        if self.ends.is_draining() {
            self.resigned(self.handle.resign(Reason::Resigned));
        }
    }

    pub(super) fn resigned(&self, resign: u64) {
        self.active.set(false);
        self.ends.begin(resign);
        let Some(drain) = self.ends.take_drain() else {
            return;
        };
        for caller in drain.leaving {
            self.ends.wait_for(resign, caller);
        }
        for caller in drain.standing {
            self.establish(caller);
        }
    }

    fn works(&self, environment: &Environment) -> bool {
        environment.feature::<Audience>().works(&self.prefix)
    }
}
