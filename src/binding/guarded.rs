//! Work under a primary: one call of the caller's function at every election.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use napi::Env;

use super::environment::{self, Environment};
use super::js::{self, Kind, Value};
use super::listener::Listener;
use crate::driver::{LeaseCell, now};

/// What one function was called for last.
#[derive(Default)]
pub struct Guard(RefCell<Option<Rc<Work>>>);

/// One call, until what it returned has settled.
pub struct Work {
    number: u64,
    prefix: String,
    cell: Arc<LeaseCell>,
    ended: Cell<bool>,
    /// It has been said that it ignores its signal.
    reported: Cell<bool>,
}

impl Guard {
    /// Calls the function of `listener`, if this server is primary and that has not been done under
    /// this lease. Where the last call is still going, its end comes here again.
    pub fn begin(&self, env: &Env, environment: &Environment, listener: &Listener) {
        let lease = environment
            .campaign(&listener.prefix)
            .and_then(|campaign| campaign.lease_to_work_under(env, environment));
        let Some((cell, lease)) = lease else {
            return;
        };
        if let Some(last) = &*self.0.borrow() {
            if Arc::ptr_eq(&last.cell, &cell) {
                return;
            }
            if !last.ended.get() {
                last.report("the work of an earlier lease is still going: the next run waits");
                return;
            }
        }
        let work = Rc::new(Work {
            number: environment.next_number(),
            prefix: listener.prefix.clone(),
            cell,
            ended: Cell::new(false),
            reported: Cell::new(false),
        });
        // Before the call, which may resign.
        *self.0.borrow_mut() = Some(work.clone());
        environment.work.borrow_mut().push(work.clone());
        let called = listener
            .call(env, lease)
            .and_then(|returned| follow(env, &work, listener.number, returned));
        match called {
            Ok(true) => {}
            Ok(false) => work.end(env, environment, listener.number),
            Err(thrown) => {
                work.fail(environment, &thrown.0, false);
                work.end(env, environment, listener.number);
            }
        }
    }
}

/// Whether anything goes on under a lease of this prefix.
pub fn is_going(environment: &Environment, prefix: &str) -> bool {
    let work = environment.work.borrow();
    work.iter().any(|work| work.prefix == prefix)
}

/// Says what is still going when a drain is over.
pub fn report_undrained(environment: &Environment, prefix: &str) {
    let work = environment.work.borrow();
    for work in work.iter().filter(|work| work.prefix == prefix) {
        work.report_ignored("when its drain is over: another server is let in");
    }
}

/// Says what is still going under a lease some time after its end.
pub fn report_later(environment: &Environment, cell: &Arc<LeaseCell>, time: Duration) {
    let work = environment.work.borrow();
    for work in work.iter().filter(|work| Arc::ptr_eq(&work.cell, cell)) {
        let number = work.number;
        environment.after(time, move |_, environment| {
            let work = environment.work.borrow();
            if let Some(work) = work.iter().find(|work| work.number == number) {
                work.report_ignored("after its lease: another server may be primary");
            }
        });
    }
}

/// Waits for a promise; false where there is none to wait for.
fn follow(env: &Env, work: &Rc<Work>, listener: u64, returned: Option<Value>) -> js::Result<bool> {
    let Some(returned) = returned else {
        return Ok(false);
    };
    let Some(then) = js::then_of(env, returned)? else {
        return Ok(false);
    };
    let on = |name: &str, threw: bool| {
        let work = work.clone();
        js::function(env, name, move |env, value| {
            let Some(environment) = environment::existing() else {
                return;
            };
            if let Some(reason) = value.filter(|_| threw) {
                work.fail(&environment, &js::show(env, reason), is_abort(env, reason));
            }
            work.end(env, &environment, listener);
        })
    };
    js::call(
        env,
        returned,
        then,
        &[on("ran", false)?, on("failed", true)?],
    )?;
    Ok(true)
}

/// What is thrown where a signal is heeded.
fn is_abort(env: &Env, reason: Value) -> bool {
    let is = |field: &str, word: &str| {
        let text = js::get(env, reason, field).and_then(js::kind);
        matches!(text, Ok(Kind::Text(text)) if text == word)
    };
    matches!(js::kind(reason), Ok(Kind::Object(_)))
        && (is("name", "AbortError") || is("code", "ERR_LEASE_LOST"))
}

impl Work {
    fn end(&self, env: &Env, environment: &Environment, listener: u64) {
        if self.ended.replace(true) {
            return;
        }
        let others = |work: &Rc<Work>| work.number != self.number;
        environment.work.borrow_mut().retain(others);
        let campaigns = environment.campaigns.borrow().clone();
        for campaign in campaigns.iter().filter(|c| c.prefix == self.prefix) {
            campaign.work_ended(env, environment);
        }
        let listeners = environment.listeners.borrow();
        let listener = listeners.iter().find(|l| l.number == listener).cloned();
        drop(listeners);
        if let Some(listener) = listener {
            listener.begin_work(env, environment);
        }
    }

    fn fail(&self, environment: &Environment, error: &str, is_abort: bool) {
        let (id, prefix) = (environment.id, &*self.prefix);
        let token = self.cell.token().get();
        if is_abort && self.is_to_stop(environment) {
            tracing::debug!(environment = id, prefix, token, error, "work was stopped");
        } else {
            tracing::error!(
                environment = id,
                prefix,
                token,
                "work under a primary failed: {error}"
            );
        }
    }

    fn is_to_stop(&self, environment: &Environment) -> bool {
        let campaigns = environment.campaigns.borrow();
        let draining = campaigns
            .iter()
            .any(|c| c.prefix == self.prefix && c.is_draining());
        draining || !self.cell.is_held(now())
    }

    fn report_ignored(&self, when: &str) {
        if !self.reported.replace(true) {
            self.report(&format!(
                "work ignores its signal and is still running {when}"
            ));
        }
    }

    fn report(&self, what: &str) {
        let (environment, prefix) = (environment::id(), &*self.prefix);
        let token = self.cell.token().get();
        tracing::warn!(environment, prefix, token, "{what}");
    }
}
