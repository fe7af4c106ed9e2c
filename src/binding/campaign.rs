use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use napi::Env;
use napi_derive::napi;

use super::ends::{Ends, Put};
use super::environment::{Environment, Feature, Leaving, Member};
use super::error::{Code, denied, new};
use super::listener::{Audience, GrantedLease, PlainChange, PlainPrimary, number};
use super::promise::Deferred;
use crate::driver::{self, CampaignSettings, Fence, Handle, LeaseCell, now};
use crate::election::{Answer, Primary, Reason, Time, Token};
use crate::store::Source;

/// This environment's end of one campaign.
pub struct Campaign {
    pub number: u64,
    pub prefix: String,
    pub source: Source,
    pub settings: CampaignSettings,
    pub handle: Handle,
    pub fence: Fence,
    /// Callers who wait for an answer, with the number of their call.
    waiting: RefCell<Vec<(u64, Deferred)>>,
    ends: Ends,
    /// It campaigns: it was established, and neither resigned nor refused since.
    active: Cell<bool>,
    term: RefCell<Option<(Arc<LeaseCell>, GrantedLease)>>,
    /// `None` where nothing is known yet.
    primary: RefCell<Option<Option<Primary>>>,
    unavailable: RefCell<Option<Arc<str>>>,
    /// A renewal of the present term is late.
    late: Cell<bool>,
    /// Somebody asked for the term with this token: it ends when the work under it has stopped.
    asked: Cell<Option<Token>>,
    unavailable_since: Cell<Option<Time>>,
}

/// The campaigns of each prefix: the present one is the last; replaced ones have not ended.
#[derive(Default)]
pub struct Campaigns(RefCell<HashMap<String, Vec<Rc<Campaign>>>>);

/// How a campaign stands.
#[napi(object, object_from_js = false)]
pub struct PlainStatus {
    pub prefix: String,
    pub server_id: String,
    #[napi(ts_type = "'establishing' | 'primary' | 'standby'")]
    pub role: &'static str,
    pub lease: Option<GrantedLease>,
    pub primary: Option<PlainPrimary>,
    pub available: bool,
    pub cause: Option<String>,
    pub healthy: bool,
}

impl Feature for Campaigns {}

impl Campaigns {
    pub fn present(&self, prefix: &str) -> Option<Rc<Campaign>> {
        self.0.borrow().get(prefix)?.last().cloned()
    }

    /// Those of each prefix that campaign.
    pub fn present_ones(&self) -> Vec<Rc<Campaign>> {
        let all = self.0.borrow();
        let present = all.values().filter_map(|campaigns| campaigns.last());
        present
            .filter(|campaign| campaign.is_active())
            .cloned()
            .collect()
    }

    /// Those of a prefix, or all.
    pub fn of(&self, prefix: Option<&str>) -> Vec<Rc<Campaign>> {
        let all = self.0.borrow();
        let of = |(key, _): &(&String, &Vec<_>)| prefix.is_none_or(|prefix| prefix == *key);
        let found = all.iter().filter(of);
        found.flat_map(|(_, campaigns)| campaigns.clone()).collect()
    }

    pub fn add(&self, environment: &Environment, campaign: &Rc<Campaign>) {
        environment.add(campaign.number, campaign.clone());
        let mut all = self.0.borrow_mut();
        all.entry(campaign.prefix.clone())
            .or_default()
            .push(campaign.clone());
    }

    fn remove(&self, environment: &Environment, campaign: &Campaign) {
        environment.remove(campaign.number);
        let mut all = self.0.borrow_mut();
        if let Some(campaigns) = all.get_mut(&campaign.prefix) {
            campaigns.retain(|other| other.number != campaign.number);
            if campaigns.is_empty() {
                all.remove(&campaign.prefix);
            }
        }
    }
}

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
            waiting: RefCell::default(),
            ends: Ends::default(),
            active: Cell::new(false),
            term: RefCell::default(),
            primary: RefCell::default(),
            unavailable: RefCell::default(),
            late: Cell::new(false),
            asked: Cell::new(None),
            unavailable_since: Cell::default(),
        }
    }

    pub fn is_active(&self) -> bool {
        self.active.get()
    }

    /// Stands, or stands again: at once, or when a resign that is under way has been sent.
    pub fn establish(&self, caller: Deferred) {
        if let Some(caller) = self.ends.keep_until_drained(caller) {
            self.active.set(true);
            let number = self.handle.establish();
            self.waiting.borrow_mut().push((number, caller));
        }
    }

    /// What a late listener is told first.
    pub fn present(&self) -> Vec<PlainChange> {
        let mut present = Vec::new();
        if let Some(cause) = &*self.unavailable.borrow() {
            present.push(self.unavailable(cause));
        }
        let term = self.term.borrow();
        // One whose signal is aborted already is nothing to begin with.
        match &*term {
            Some((_, lease)) if !self.ends.is_draining() && self.asked.get().is_none() => {
                present.push(self.elected(lease));
                if self.late.get() {
                    present.push(self.of_token("renewal-late", lease.token));
                }
            }
            _ => {
                let primary = self.primary.borrow();
                present.extend(
                    primary
                        .as_ref()
                        .map(|primary| self.changed(primary.as_ref())),
                );
            }
        }
        present
    }

    pub fn hear(&self, env: &Env, environment: &Rc<Environment>, change: driver::CampaignChange) {
        let telling = match change {
            driver::CampaignChange::Elected(cell) => {
                *self.primary.borrow_mut() = None;
                Some(self.elected(&self.begin_term(environment, cell)))
            }
            driver::CampaignChange::Lost { token, reason } => {
                self.end_term(environment);
                Some(self.ended("lost", Some(token), reason.word()))
            }
            driver::CampaignChange::Resigned { token, reason } => {
                self.end_term(environment);
                *self.primary.borrow_mut() = None;
                *self.unavailable.borrow_mut() = None;
                self.unavailable_since.set(None);
                Some(self.ended("resigned", token, reason.word()))
            }
            driver::CampaignChange::RenewalLate { token } => {
                self.late.set(true);
                Some(self.of_token("renewal-late", number(token)))
            }
            driver::CampaignChange::Renewed { token } => {
                self.late.set(false);
                Some(self.of_token("renewed", number(token)))
            }
            driver::CampaignChange::Asked { token } => {
                self.asked.set(Some(token));
                // The work stops before another server is let in.
                self.tell(env, environment, "leaving");
                self.step_aside(environment);
                None
            }
            driver::CampaignChange::PrimaryChanged(primary) => {
                let change = self.changed(primary.as_ref());
                *self.primary.borrow_mut() = Some(primary);
                Some(change)
            }
            driver::CampaignChange::Unavailable { cause } => {
                let change = self.unavailable(&cause);
                *self.unavailable.borrow_mut() = Some(cause);
                self.unavailable_since.set(Some(now()));
                Some(change)
            }
            driver::CampaignChange::Available => {
                *self.unavailable.borrow_mut() = None;
                self.unavailable_since.set(None);
                Some(self.change("available"))
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
        // With its last handle the loop ends, and with the last loop the connection.
        if !self.active.get() && self.ends.are_over() {
            environment.feature::<Campaigns>().remove(environment, self);
        }
    }

    /// How it stands; `None` where it does not campaign.
    pub fn status(&self) -> Option<PlainStatus> {
        if !self.active.get() {
            return None;
        }
        let term = self.term.borrow();
        let held = term.as_ref().filter(|(cell, _)| cell.is_held(now()));
        let primary = match held {
            Some((_, lease)) => Some(PlainPrimary {
                server_id: lease.server_id.clone(),
                token: lease.token,
            }),
            None => self
                .primary
                .borrow()
                .iter()
                .flatten()
                .next()
                .map(Into::into),
        };
        let role = match held {
            Some(_) => "primary",
            None if self.waiting.borrow().is_empty() => "standby",
            None => "establishing",
        };
        let unavailable = self.unavailable.borrow();
        Some(PlainStatus {
            prefix: self.prefix.clone(),
            server_id: self.settings.server_id.clone(),
            role,
            lease: held.map(|(_, lease)| lease.clone()),
            primary,
            available: unavailable.is_none(),
            cause: unavailable.as_deref().map(Into::into),
            healthy: self.is_healthy(),
        })
    }

    /// Redis answers, or has not for less than a ttl since that was told.
    fn is_healthy(&self) -> bool {
        let since = self.unavailable_since.get();
        since.is_none_or(|since| now().since(since) < self.settings.config.ttl)
    }

    /// How it stands in numbers and texts, for [`metrics`](super::metrics::metrics).
    pub fn measure(&self, stands: bool, numbers: &mut Vec<f64>, texts: &mut Vec<String>) {
        let term = self.term.borrow();
        let held = term.as_ref().filter(|(cell, _)| cell.is_held(now()));
        let primary = self.primary.borrow();
        let (server, token) = match (held, primary.iter().flatten().next()) {
            (Some((_, lease)), _) => (&*lease.server_id, lease.token),
            (None, Some(primary)) => (&*primary.server, number(primary.token)),
            (None, None) => ("", 0.0),
        };
        let held_for = held.map_or(Duration::ZERO, |_| self.handle.term());
        let margin = held.map_or(Duration::ZERO, |_| self.handle.margin());
        numbers.extend([
            f64::from(u8::from(held.is_some())),
            f64::from(u8::from(stands || held.is_some())),
            token,
            self.settings.config.ttl.as_secs_f64(),
            held_for.as_secs_f64(),
            margin.as_secs_f64(),
            f64::from(u8::from(self.unavailable.borrow().is_none())),
            f64::from(u8::from(self.is_healthy())),
        ]);
        let own = [
            &*self.prefix,
            &*self.settings.name,
            &*self.settings.server_id,
        ];
        texts.extend(own.into_iter().chain([server]).map(Into::into));
    }

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
    fn step_aside(&self, environment: &Environment) {
        if let Some(token) = self.asked.get().filter(|_| !self.works(environment)) {
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
        let held = matches!(&*self.term.borrow(), Some((cell, _)) if cell.is_held(now()));
        if limit.is_zero() || !held || !self.works(environment) {
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

    fn resigned(&self, resign: u64) {
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
        *self.term.borrow_mut() = Some((cell, lease.clone()));
        lease
    }

    fn end_term(&self, environment: &Environment) {
        self.late.set(false);
        self.asked.set(None);
        if let Some((_, lease)) = self.term.borrow_mut().take() {
            environment.end_lease(lease.id as u64);
        }
    }

    fn answer(&self, establish: u64, answer: &Answer) {
        let mut waiting = self.waiting.borrow_mut();
        let (answered, others) = waiting.drain(..).partition(|(n, _)| *n <= establish);
        *waiting = others;
        drop(waiting);
        let answered: Vec<(u64, Deferred)> = answered;
        if matches!(answer, Answer::Denied { .. }) {
            self.active.set(!self.waiting.borrow().is_empty());
        }
        for (_, caller) in answered {
            match answer {
                Answer::Elected(token) => match self.lease_of(*token) {
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

    fn lease_of(&self, token: Token) -> Option<GrantedLease> {
        let term = self.term.borrow();
        let (_, lease) = term.as_ref().filter(|(cell, _)| cell.token() == token)?;
        Some(lease.clone())
    }

    fn fail(&self, environment: &Environment) {
        self.end_term(environment);
        self.resigned(u64::MAX);
        self.ends.end(u64::MAX);
        for (_, caller) in self.waiting.take() {
            caller.reject(new(
                Code::Closed,
                format!("the campaign of {:?} failed internally", self.prefix),
            ));
        }
    }

    /// Tells the layers what is theirs alone.
    fn tell(&self, env: &Env, environment: &Environment, kind: &'static str) {
        let told = environment
            .feature::<Audience>()
            .tell(env, &self.change(kind));
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
        for (_, caller) in self.waiting.take() {
            caller.reject(refused());
        }
    }

    fn change(&self, kind: &'static str) -> PlainChange {
        PlainChange::new(kind, &self.prefix)
    }

    fn elected(&self, lease: &GrantedLease) -> PlainChange {
        let lease = Some(lease.clone());
        let change = self.change("elected");
        PlainChange { lease, ..change }
    }

    fn ended(&self, kind: &'static str, token: Option<Token>, reason: &str) -> PlainChange {
        PlainChange {
            token: token.map(number),
            reason: Some(reason.into()),
            held: token.map(|_| self.handle.term().as_secs_f64()),
            ..self.change(kind)
        }
    }

    fn of_token(&self, kind: &'static str, token: f64) -> PlainChange {
        PlainChange {
            token: Some(token),
            ..self.change(kind)
        }
    }

    fn changed(&self, primary: Option<&Primary>) -> PlainChange {
        let primary = primary.map(Into::into);
        let change = self.change("primary-changed");
        PlainChange { primary, ..change }
    }

    fn unavailable(&self, cause: &str) -> PlainChange {
        let cause = Some(cause.into());
        let change = self.change("unavailable");
        PlainChange { cause, ..change }
    }
}
