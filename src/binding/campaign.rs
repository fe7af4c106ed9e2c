use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use napi::Env;

use super::callers::Callers;
use super::change::{GrantedLease, PlainChange, number};
use super::ends::Ends;
use super::environment::Environment;
use super::error::{Code, denied, new};
use super::listener::Audience;
use super::promise::Deferred;
use super::status::{PlainStatus, Status};
use crate::driver::{self, CampaignSettings, Fence, Handle, LeaseCell};
use crate::election::{Answer, Reason, Token};
use crate::store::Source;

mod resigning;

/// This environment's end of one campaign.
pub struct Campaign {
    pub number: u64,
    pub prefix: String,
    pub source: Source,
    pub settings: CampaignSettings,
    pub handle: Handle,
    pub fence: Fence,
    /// How it stands.
    pub known: Status,
    /// Callers who wait for an answer, with the number of their call.
    establishing: Callers,
    ends: Ends,
    /// It campaigns: it was established, and neither resigned nor refused since.
    active: Cell<bool>,
}

impl Campaign {
    pub fn new(
        number: u64,
        prefix: String,
        source: Source,
        settings: CampaignSettings,
        handle: Handle,
        fence: Fence,
    ) -> Self {
        Campaign {
            number,
            prefix,
            source,
            settings,
            handle,
            fence,
            known: Status::default(),
            establishing: Callers::default(),
            ends: Ends::default(),
            active: Cell::new(false),
        }
    }

    pub fn is_active(&self) -> bool {
        self.active.get()
    }

    /// Stands, or stands again: at once, or when a resign that is under way has been sent.
    pub fn establish(&self, caller: Deferred) {
        if let Some(caller) = self.ends.keep_until_drained(caller) {
            self.active.set(true);
            self.establishing.add(self.handle.establish(), caller);
        }
    }

    /// What a late listener is told first.
    pub fn present(&self) -> Vec<PlainChange> {
        // A term whose signal is aborted already is nothing to begin with.
        self.known.present(&self.prefix, self.ends.is_draining())
    }

    /// How it stands; `None` where it does not campaign.
    pub fn status(&self) -> Option<PlainStatus> {
        let establishing = !self.establishing.is_empty();
        let status = || self.known.plain(&self.prefix, &self.settings, establishing);
        self.is_active().then(status)
    }

    pub fn hear(&self, env: &Env, environment: &Rc<Environment>, change: driver::CampaignChange) {
        let prefix = &*self.prefix;
        let telling = match change {
            driver::CampaignChange::Elected(cell) => {
                let lease = self.begin_term(environment, cell);
                Some(PlainChange::elected(prefix, lease))
            }
            driver::CampaignChange::Lost { token, reason } => {
                self.end_term(environment);
                Some(self.ended("lost", Some(token), reason.word()))
            }
            driver::CampaignChange::Resigned { token, reason } => {
                self.end_term(environment);
                self.known.forget();
                Some(self.ended("resigned", token, reason.word()))
            }
            driver::CampaignChange::RenewalLate { token } => {
                self.known.set_late(true);
                let token = number(token);
                Some(PlainChange::of_token("renewal-late", prefix, token))
            }
            driver::CampaignChange::Renewed { token } => {
                self.known.set_late(false);
                let token = number(token);
                Some(PlainChange::of_token("renewed", prefix, token))
            }
            driver::CampaignChange::Asked { .. } => {
                self.known.set_asked();
                // The work stops before another server is let in.
                self.tell(env, environment, "leaving");
                self.step_aside(environment);
                None
            }
            driver::CampaignChange::PrimaryChanged(primary) => {
                let change = PlainChange::primary_changed(prefix, primary.as_ref());
                self.known.set_primary(primary);
                Some(change)
            }
            driver::CampaignChange::Unavailable { cause } => {
                let change = PlainChange::unavailable(prefix, &cause);
                self.known.set_unavailable(cause);
                Some(change)
            }
            driver::CampaignChange::Available => {
                self.known.set_available();
                Some(PlainChange::new("available", prefix))
            }
            driver::CampaignChange::Answer { establish, answer } => {
                self.answer(establish, &answer);
                None
            }
            driver::CampaignChange::Undrained { resign } => {
                if self.ends.is_draining() {
                    self.tell(env, environment, "undrained");
                    self.resigned(resign);
                }
                None
            }
            driver::CampaignChange::Unconfirmed { resign } => {
                self.ends.answer(resign);
                None
            }
            driver::CampaignChange::Ended { resign } => {
                self.ends.end(resign);
                None
            }
            driver::CampaignChange::Failed { token } => {
                self.fail(environment);
                token.map(|token| self.ended("lost", Some(token), "internal"))
            }
        };
        if let Some(change) = telling {
            let told = environment.feature::<Audience>().tell(env, &change);
            if let (Some(lease), Err(error)) = (change.lease, told) {
                self.give_up(env, environment, &lease, &error.reason);
            }
        }
    }

    /// Nothing of it is on its way, and nothing will be.
    pub fn is_over(&self) -> bool {
        !self.is_active() && self.ends.are_over()
    }

    fn begin_term(&self, environment: &Environment, cell: Arc<LeaseCell>) -> GrantedLease {
        let id = environment.next_number();
        let lease = GrantedLease {
            id: id as f64,
            token: number(cell.token()),
            name: self.fence.lease().to_string(),
            server_id: self.settings.server_id.clone(),
            campaign: self.number as f64,
            era: self.ends.era() as f64,
            grace: self.settings.config.grace().as_millis() as f64,
        };
        environment.begin_lease(id, cell.clone());
        self.known.begin_term(cell, lease.clone());
        lease
    }

    fn end_term(&self, environment: &Environment) {
        if let Some(lease) = self.known.end_term() {
            environment.end_lease(lease.id as u64);
        }
    }

    fn answer(&self, establish: u64, answer: &Answer) {
        let answered = self.establishing.take_until(establish);
        if matches!(answer, Answer::Denied { .. }) {
            self.active.set(!self.establishing.is_empty());
        }
        for caller in answered {
            match answer {
                Answer::Elected(token) => match self.known.lease_of(*token) {
                    Some(lease) => caller.resolve(lease),
                    None => caller.resolve(()),
                },
                Answer::NotElected | Answer::Unavailable { .. } | Answer::Resigned => {
                    caller.resolve(());
                }
                Answer::Denied { cause } => caller.reject(denied(cause)),
            }
        }
    }

    fn fail(&self, environment: &Environment) {
        self.end_term(environment);
        self.resigned(u64::MAX);
        self.ends.end(u64::MAX);
        for caller in self.establishing.take_all() {
            caller.reject(new(
                Code::Closed,
                format!("the campaign of {:?} failed internally", self.prefix),
            ));
        }
    }

    /// Tells the layers what is theirs alone.
    fn tell(&self, env: &Env, environment: &Environment, kind: &'static str) {
        let change = PlainChange::new(kind, &self.prefix);
        let told = environment.feature::<Audience>().tell(env, &change);
        if let Err(error) = told {
            let (prefix, error) = (&*self.prefix, error.reason.as_str());
            tracing::error!(
                environment = environment.id,
                prefix,
                error,
                "a change could not be told"
            );
        }
    }

    /// The lease could not be handed to JavaScript, or not to all of it: rather than kept by nobody, it is
    /// let go. A caller that waits for it is refused.
    pub fn give_up(
        &self,
        env: &Env,
        environment: &Rc<Environment>,
        lease: &GrantedLease,
        error: &str,
    ) {
        let (id, prefix) = (environment.id, &*self.prefix);
        tracing::error!(
            environment = id,
            prefix,
            error,
            "a lease could not be handed over, and is resigned"
        );
        environment.end_lease(lease.id as u64);
        let refused = || {
            let message = format!(
                "the lease of {prefix:?} could not be handed over, and was resigned: {error}"
            );
            new(Code::Closed, message)
        };
        if self.is_active() {
            self.tell(env, environment, "leaving");
            for caller in self.ends.take_standing() {
                caller.reject(refused());
            }
            self.resigned(self.handle.resign(Reason::Internal));
        }
        for caller in self.establishing.take_all() {
            caller.reject(refused());
        }
    }

    fn ended(&self, kind: &'static str, token: Option<Token>, reason: &str) -> PlainChange {
        PlainChange {
            token: token.map(number),
            reason: Some(reason.into()),
            held: token.map(|_| self.handle.term().as_secs_f64()),
            ..PlainChange::new(kind, &self.prefix)
        }
    }
}
