use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::Object;

use super::change::{Present, Telling, number, primary_to_js};
use super::environment::{self, Environment};
use super::error::{Code, PrimaryLeaseError};
use super::fence::Fence;
use super::guarded;
use super::js::{self, Value};
use super::lease::Term;
use super::listener::broadcast;
use super::options::Options;
use super::promise::Deferred;
use super::resigning::Ends;
use crate::driver::{Change, Handle, LeaseCell, now, reason_word};
use crate::election::{Answer, Primary, Token};
use crate::store::Source;

/// This environment's end of one campaign.
pub struct Campaign {
    pub number: u64,
    pub prefix: String,
    pub source: Source,
    pub options: Options,
    pub handle: Handle,
    pub fence: Fence,
    /// Callers who wait for an answer, with the number of their call.
    pub waiting: RefCell<Vec<(u64, Deferred)>>,
    pub ends: Ends,
    /// It campaigns: it was established, and neither resigned nor refused since.
    pub active: Cell<bool>,
    term: RefCell<Option<Rc<Term>>>,
    primary: RefCell<Option<Option<Primary>>>,
    unavailable: RefCell<Option<Arc<str>>>,
}

impl Campaign {
    pub fn new(
        number: u64,
        prefix: String,
        source: Source,
        options: Options,
        handle: Handle,
        fence: Fence,
    ) -> Self {
        Campaign {
            number,
            prefix,
            source,
            options,
            handle,
            fence,
            waiting: RefCell::default(),
            ends: Ends::default(),
            active: Cell::new(false),
            term: RefCell::default(),
            primary: RefCell::default(),
            unavailable: RefCell::default(),
        }
    }

    pub fn is_active(&self) -> bool {
        self.active.get()
    }

    /// Stands, or stands again: at once, or when a resign that is under way has been sent.
    pub fn establish(&self, deferred: Deferred) {
        if let Some(deferred) = self.ends.keep_until_drained(deferred) {
            self.active.set(true);
            let number = self.handle.establish();
            self.waiting.borrow_mut().push((number, deferred));
        }
    }

    pub fn is_held(&self) -> bool {
        let term = self.term.borrow();
        term.as_ref().is_some_and(|term| term.cell.is_held(now()))
    }

    /// The lease that is held, and not about to be let go.
    pub fn lease_to_work_under(
        &self,
        env: &Env,
        environment: &Environment,
    ) -> Option<(Arc<LeaseCell>, Value)> {
        if self.is_draining() || !self.is_held() {
            return None;
        }
        let term = self.term.borrow().clone()?;
        Some((term.cell.clone(), self.object(env, environment, &term)?))
    }

    pub fn present(&self, env: &Env, environment: &Environment) -> Present {
        // One whose signal is aborted already is nothing to begin with.
        let term = self.term.borrow().clone().filter(|_| !self.is_draining());
        Present {
            unavailable: self.unavailable.borrow().clone(),
            lease: term.and_then(|term| self.object(env, environment, &term)),
            primary: self.primary.borrow().clone(),
        }
    }

    /// The lease as JavaScript has it; where it cannot be had the place is given up.
    fn object(&self, env: &Env, environment: &Environment, term: &Term) -> Option<Value> {
        let object = term.object(env);
        object
            .map_err(|thrown| self.give_up(env, environment, &thrown))
            .ok()
    }

    pub fn hear(self: &Rc<Self>, env: &Env, environment: &Environment, change: Change) {
        let telling = match change {
            Change::Elected(cell) => self.begin_term(env, environment, cell),
            Change::Lost { token, reason: why } => {
                self.end_term(env, environment);
                self.stop_draining(env);
                let reason = reason_word(why);
                Some(Telling::Lost { token, reason })
            }
            Change::Resigned { token, reason: why } => {
                self.end_term(env, environment);
                *self.primary.borrow_mut() = None;
                *self.unavailable.borrow_mut() = None;
                let reason = reason_word(why);
                Some(Telling::Resigned { token, reason })
            }
            Change::PrimaryChanged(primary) => {
                *self.primary.borrow_mut() = Some(primary.clone());
                Some(Telling::PrimaryChanged(primary))
            }
            Change::Unavailable { cause } => {
                *self.unavailable.borrow_mut() = Some(cause.clone());
                Some(Telling::Unavailable(cause))
            }
            Change::Available => {
                *self.unavailable.borrow_mut() = None;
                Some(Telling::Available)
            }
            Change::Answer { establish, answer } => {
                self.answer(env, environment, establish, answer);
                None
            }
            Change::Unconfirmed { resign } => {
                self.ends.answer(resign);
                None
            }
            Change::Ended { resign } => {
                self.ends.end(resign);
                None
            }
            Change::Failed { token } => self.fail(env, environment, token),
        };
        if let Some(telling) = telling
            && let Err(thrown) = broadcast(env, environment, &self.prefix, &telling)
        {
            self.not_told(env, environment, &telling, &thrown);
        }
        // With its last handle the loop ends, and with the last loop the connection.
        if !self.active.get() && self.ends.are_over() {
            let mut campaigns = environment.campaigns.borrow_mut();
            campaigns.retain(|c| c.number != self.number);
        }
    }

    /// What `primaryStatus` shows; `None` when there is no campaign.
    pub fn status(&self, env: &Env) -> js::Result<Option<Object<'static>>> {
        if !self.active.get() {
            return Ok(None);
        }
        let term = self.term.borrow();
        let held = term.as_ref().filter(|term| term.cell.is_held(now()));
        let primary = match held {
            Some(term) => Some(Primary {
                server: self.options.server_id.as_str().into(),
                token: term.cell.token(),
            }),
            None => self.primary.borrow().clone().flatten(),
        };
        let role = match held {
            Some(_) => "primary",
            None if self.waiting.borrow().is_empty() => "standby",
            None => "establishing",
        };
        let unavailable = self.unavailable.borrow();
        let mut status = js::object(env)?;
        js::set(&mut status, "prefix", Some(self.prefix.as_str()))?;
        js::set(
            &mut status,
            "serverId",
            Some(self.options.server_id.as_str()),
        )?;
        js::set(&mut status, "role", Some(role))?;
        let token = held.map(|term| number(term.cell.token()));
        js::set(&mut status, "token", token)?;
        if let Some(primary) = primary {
            let primary = primary_to_js(env, &primary)?;
            js::set(&mut status, "primary", Some(js::value(&primary)))?;
        }
        js::set(&mut status, "available", Some(unavailable.is_none()))?;
        js::set(&mut status, "cause", unavailable.as_deref())?;
        Ok(Some(status))
    }

    /// Lets go of what belongs to the environment, which is ending.
    pub fn drop_references(&self, env: &Env) {
        if let Some(term) = self.term.borrow_mut().take() {
            term.drop_references(env);
        }
    }

    /// Something could not be told, for a reason of ours.
    pub fn not_told(
        &self,
        env: &Env,
        environment: &Environment,
        telling: &Telling,
        why: &js::Thrown,
    ) {
        match telling {
            Telling::Elected(_) => self.give_up(env, environment, why),
            _ => tracing::error!(
                environment = environment.id,
                prefix = %self.prefix,
                error = %why,
                "a change could not be told"
            ),
        }
    }

    fn begin_term(
        self: &Rc<Self>,
        env: &Env,
        environment: &Environment,
        cell: Arc<LeaseCell>,
    ) -> Option<Telling> {
        *self.primary.borrow_mut() = None;
        let begun = Term::begin(env, cell, self).and_then(|term| {
            let object = term.object(env)?;
            Ok((term, object))
        });
        match begun {
            Ok((term, object)) => {
                *self.term.borrow_mut() = Some(Rc::new(term));
                Some(Telling::Elected(object))
            }
            Err(thrown) => {
                self.give_up(env, environment, &thrown);
                None
            }
        }
    }

    fn end_term(&self, env: &Env, environment: &Environment) {
        self.abort(env);
        if let Some(term) = self.term.borrow_mut().take() {
            term.cell.end();
            let config = &self.options.config;
            // What the rules leave to work in flight.
            let time = config.window().saturating_sub(config.term());
            guarded::report_later(environment, &term.cell, time);
            term.drop_references(env);
        }
    }

    /// Aborts the signal of the lease; that it was aborted before makes no difference.
    pub fn abort(&self, env: &Env) {
        // Not borrowed while the listeners of the signal run: they may ask us anything.
        let term = self.term.borrow().clone();
        if let Some(term) = term
            && let Err(thrown) = term.abort(env, &self.prefix)
        {
            tracing::error!(environment = environment::id(), prefix = %self.prefix, error = %thrown, "aborting the signal failed");
        }
    }

    fn answer(&self, env: &Env, environment: &Environment, establish: u64, answer: Answer) {
        let mut waiting = self.waiting.borrow_mut();
        let (answered, others) = waiting.drain(..).partition(|(n, _)| *n <= establish);
        *waiting = others;
        drop(waiting);
        let answered: Vec<(u64, Deferred)> = answered;
        if matches!(answer, Answer::Denied { .. }) {
            self.active.set(!self.waiting.borrow().is_empty());
        }
        let lease = match &answer {
            Answer::Elected(token) => self.lease(env, *token),
            _ => Ok(None),
        };
        let lease = match lease {
            Ok(lease) => lease,
            Err(thrown) => {
                self.give_up(env, environment, &thrown);
                for (_, deferred) in answered {
                    deferred.reject(self.not_handed_over(&thrown));
                }
                return;
            }
        };
        for (_, deferred) in answered {
            match &answer {
                Answer::Elected(_) => deferred.resolve(lease),
                Answer::NotElected | Answer::Unavailable { .. } | Answer::Resigned => {
                    deferred.resolve(None);
                }
                Answer::Denied { cause } => {
                    deferred.reject(PrimaryLeaseError::denied(cause));
                }
            }
        }
    }

    /// The lease with this token; `None` where it is over by now.
    fn lease(&self, env: &Env, token: Token) -> js::Result<Option<Value>> {
        let term = self.term.borrow();
        let term = term.as_ref().filter(|term| term.cell.token() == token);
        term.map(|term| term.object(env)).transpose()
    }

    fn fail(&self, env: &Env, environment: &Environment, token: Option<Token>) -> Option<Telling> {
        self.end_term(env, environment);
        self.stop_draining(env);
        self.active.set(false);
        self.ends.end(u64::MAX);
        for (_, deferred) in self.waiting.take() {
            let message = format!("the campaign of {:?} broke", self.prefix);
            deferred.reject(PrimaryLeaseError::new(Code::Closed, message));
        }
        token.map(|token| Telling::Lost {
            token,
            reason: "internal",
        })
    }
}
