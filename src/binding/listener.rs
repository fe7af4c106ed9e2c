//! Who is told of the changes of an election.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use napi::Env;
use napi::bindgen_prelude::{FunctionRef, Unknown};
use napi::threadsafe_function::UnknownReturnValue;
use napi_derive::napi;

use super::environment::{self, Feature};
use super::node;
use crate::election::{Primary, Token};

/// A lease that was granted, as plain data. `isHeld(id)` says whether it is held.
#[napi(object, object_from_js = false)]
#[derive(Clone)]
pub struct GrantedLease {
    pub id: f64,
    pub token: f64,
    /// By which name resources know it.
    pub name: String,
    pub server_id: String,
    pub campaign: f64,
    /// The number of the latest resign before its campaign began.
    pub era: f64,
    /// How long work in flight has to stop after its end, in ms.
    pub grace: f64,
}

/// Who is primary, as this server sees it.
#[napi(object, object_from_js = false)]
#[derive(Clone)]
pub struct PlainPrimary {
    pub server_id: String,
    pub token: f64,
}

/// What a listener is told. The layer alone is told `leaving` (a lease is about to be let go) and `undrained` (the
/// work under it has had its time).
#[napi(object, object_from_js = false)]
#[derive(Clone)]
pub struct PlainChange {
    #[napi(
        js_name = "type",
        ts_type = "'elected' | 'lost' | 'resigned' | 'primary-changed' | 'unavailable' | 'available' | 'renewal-late' | 'renewed' | 'leaving' | 'undrained'"
    )]
    pub kind: &'static str,
    pub prefix: String,
    pub lease: Option<GrantedLease>,
    pub token: Option<f64>,
    pub reason: Option<String>,
    pub primary: Option<PlainPrimary>,
    pub cause: Option<String>,
    /// How long the lease was held that has ended, in seconds.
    pub held: Option<f64>,
}

/// A function that one election calls.
pub struct Listener {
    pub number: u64,
    /// Its campaign stands for election while there is one that does.
    pub stands: bool,
    function: FunctionRef<Unknown<'static>, UnknownReturnValue>,
    /// It was told the present, if there was one when it came.
    pub live: Cell<bool>,
}

/// Who listens to which prefix, and how much work is going on there.
#[derive(Default)]
pub struct Audience(RefCell<HashMap<String, Listening>>);

#[derive(Default)]
struct Listening {
    listeners: Vec<Rc<Listener>>,
    works: usize,
}

impl Feature for Audience {}

impl Audience {
    pub fn add(&self, prefix: &str, listener: Listener) {
        let mut all = self.0.borrow_mut();
        let present = all.entry(prefix.into()).or_default();
        present.listeners.push(Rc::new(listener));
    }

    /// The prefix that it listened to.
    pub fn remove(&self, number: u64) -> Option<String> {
        let mut all = self.0.borrow_mut();
        let is_it = |listener: &Rc<Listener>| listener.number == number;
        let (prefix, present) = all
            .iter_mut()
            .find(|(_, present)| present.listeners.iter().any(is_it))?;
        let prefix = prefix.clone();
        present.listeners.retain(|listener| !is_it(listener));
        if present.listeners.is_empty() && present.works == 0 {
            all.remove(&prefix);
        }
        Some(prefix)
    }

    pub fn find(&self, prefix: &str, number: u64) -> Option<Rc<Listener>> {
        let listeners = self.of(prefix);
        listeners
            .into_iter()
            .find(|listener| listener.number == number)
    }

    pub fn of(&self, prefix: &str) -> Vec<Rc<Listener>> {
        let all = self.0.borrow();
        all.get(prefix)
            .map_or_else(Vec::new, |present| present.listeners.clone())
    }

    /// Whether somebody would work, or be told of it, as the primary.
    pub fn stands(&self, prefix: &str) -> bool {
        self.of(prefix).iter().any(|listener| listener.stands)
    }

    /// Work begins under a lease of this prefix, or has ended.
    pub fn count_work(&self, prefix: &str, begins: bool) {
        let mut all = self.0.borrow_mut();
        let works = &mut all.entry(prefix.into()).or_default().works;
        *works = match begins {
            true => *works + 1,
            false => works.saturating_sub(1),
        };
    }

    pub fn works(&self, prefix: &str) -> bool {
        let all = self.0.borrow();
        all.get(prefix).is_some_and(|present| present.works > 0)
    }

    /// Tells everybody who listens to the prefix and has been told the present.
    ///
    /// # Errors
    ///
    /// Where it could not be told to somebody: then to nobody after that either.
    pub fn tell(&self, env: &Env, change: &PlainChange) -> napi::Result<()> {
        let own = matches!(change.kind, "leaving" | "undrained");
        let mut listeners = self.of(&change.prefix).into_iter();
        listeners.try_for_each(
            |listener| match listener.live.get() && !(own && listener.stands) {
                true => listener.tell(env, change.clone()),
                false => Ok(()),
            },
        )
    }
}

impl Listener {
    pub fn new(
        number: u64,
        stands: bool,
        live: bool,
        function: FunctionRef<Unknown<'static>, UnknownReturnValue>,
    ) -> Self {
        Listener {
            number,
            stands,
            function,
            live: Cell::new(live),
        }
    }

    /// What the function throws is logged.
    ///
    /// # Errors
    ///
    /// Where it could not be called, for a reason of ours.
    pub fn tell(&self, env: &Env, change: PlainChange) -> napi::Result<()> {
        let prefix = change.prefix.clone();
        let change = node::value(env, change)?;
        let function = self.function.borrow_back(env)?;
        if let Err(thrown) = function.call(change) {
            let (environment, error) = (environment::id(), thrown.reason.as_str());
            tracing::error!(environment, prefix, error, "a listener threw");
        }
        Ok(())
    }
}

impl PlainChange {
    pub fn new(kind: &'static str, prefix: &str) -> Self {
        PlainChange {
            kind,
            prefix: prefix.into(),
            lease: None,
            token: None,
            reason: None,
            primary: None,
            cause: None,
            held: None,
        }
    }
}

impl From<&Primary> for PlainPrimary {
    fn from(primary: &Primary) -> Self {
        PlainPrimary {
            server_id: primary.server.to_string(),
            token: number(primary.token),
        }
    }
}

/// A token is a safe integer by its own rule.
pub fn number(token: Token) -> f64 {
    token.get() as f64
}
