//! How a campaign stands, as its driver tells it.

use std::cell::{Cell, Ref, RefCell};
use std::sync::Arc;
use std::time::Duration;

use napi_derive::napi;

use super::change::{GrantedLease, PlainChange, PlainPrimary};
use crate::driver::{CampaignSettings, LeaseCell, now};
use crate::election::{Primary, Time, Token};

#[derive(Default)]
pub struct Status {
    term: RefCell<Option<CurrentTerm>>,
    /// `None` where nothing is known yet.
    primary: RefCell<Option<Option<Primary>>>,
    /// Why the store is unavailable, and since when that is known.
    unavailable: RefCell<Option<(Arc<str>, Time)>>,
}

struct CurrentTerm {
    cell: Arc<LeaseCell>,
    lease: GrantedLease,
    /// A renewal is late.
    late: Cell<bool>,
    /// Somebody asked for it: it ends when the work under it has stopped.
    asked: Cell<bool>,
}

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

impl Status {
    pub fn begin_term(&self, cell: Arc<LeaseCell>, lease: GrantedLease) {
        *self.primary.borrow_mut() = None;
        *self.term.borrow_mut() = Some(CurrentTerm {
            cell,
            lease,
            late: Cell::new(false),
            asked: Cell::new(false),
        });
    }

    /// The lease of the term that has ended by this.
    pub fn end_term(&self) -> Option<GrantedLease> {
        self.term.take().map(|term| term.lease)
    }

    pub fn set_late(&self, late: bool) {
        if let Some(term) = &*self.term.borrow() {
            term.late.set(late);
        }
    }

    pub fn set_asked(&self) {
        if let Some(term) = &*self.term.borrow() {
            term.asked.set(true);
        }
    }

    pub fn set_primary(&self, primary: Option<Primary>) {
        *self.primary.borrow_mut() = Some(primary);
    }

    pub fn set_unavailable(&self, cause: Arc<str>) {
        *self.unavailable.borrow_mut() = Some((cause, now()));
    }

    pub fn set_available(&self) {
        *self.unavailable.borrow_mut() = None;
    }

    /// Nothing is heard of the election any more.
    pub fn forget(&self) {
        *self.primary.borrow_mut() = None;
        self.set_available();
    }

    /// The lease, while it is held.
    pub fn held(&self) -> Option<Ref<'_, GrantedLease>> {
        Ref::filter_map(self.term.borrow(), |term| {
            let held = term.as_ref().filter(|term| term.cell.is_held(now()))?;
            Some(&held.lease)
        })
        .ok()
    }

    pub fn lease_of(&self, token: Token) -> Option<GrantedLease> {
        let term = self.term.borrow();
        let term = term.as_ref().filter(|term| term.cell.token() == token)?;
        Some(term.lease.clone())
    }

    /// The token of the term, where somebody asked for that.
    pub fn asked(&self) -> Option<Token> {
        let term = self.term.borrow();
        let term = term.as_ref().filter(|term| term.asked.get())?;
        Some(term.cell.token())
    }

    /// Another server that is primary, as far as is known.
    pub fn other_primary(&self) -> Option<PlainPrimary> {
        let primary = self.primary.borrow();
        primary.as_ref()?.as_ref().map(Into::into)
    }

    pub fn is_available(&self) -> bool {
        self.unavailable.borrow().is_none()
    }

    /// Redis answers, or has not for less than a ttl since that was told.
    pub fn is_healthy(&self, ttl: Duration) -> bool {
        let unavailable = self.unavailable.borrow();
        let since = unavailable.as_ref().map(|(_, since)| *since);
        since.is_none_or(|since| now().since(since) < ttl)
    }

    /// What a late listener is told first. A term that `ends` already, or that somebody asked for, is nothing to begin
    /// with.
    pub fn present(&self, prefix: &str, ends: bool) -> Vec<PlainChange> {
        let mut present = Vec::new();
        if let Some((cause, _)) = &*self.unavailable.borrow() {
            present.push(PlainChange::unavailable(prefix, cause));
        }
        let term = self.term.borrow();
        match &*term {
            Some(term) if !ends && !term.asked.get() => {
                let token = term.lease.token;
                present.push(PlainChange::elected(prefix, term.lease.clone()));
                if term.late.get() {
                    present.push(PlainChange::of_token("renewal-late", prefix, token));
                }
            }
            _ => {
                if let Some(primary) = &*self.primary.borrow() {
                    present.push(PlainChange::primary_changed(prefix, primary.as_ref()));
                }
            }
        }
        present
    }

    /// `establishing`: a caller waits for the answer.
    pub fn plain(
        &self,
        prefix: &str,
        settings: &CampaignSettings,
        establishing: bool,
    ) -> PlainStatus {
        let held = self.held();
        let own = held.as_ref().map(|lease| PlainPrimary {
            server_id: lease.server_id.clone(),
            token: lease.token,
        });
        let unavailable = self.unavailable.borrow();
        PlainStatus {
            prefix: prefix.into(),
            server_id: settings.server_id.clone(),
            role: match held {
                Some(_) => "primary",
                None if establishing => "establishing",
                None => "standby",
            },
            lease: held.as_deref().cloned(),
            primary: own.or_else(|| self.other_primary()),
            available: unavailable.is_none(),
            cause: unavailable.as_ref().map(|(cause, _)| (**cause).into()),
            healthy: self.is_healthy(settings.config.ttl),
        }
    }
}
