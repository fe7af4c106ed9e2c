//! Who is told of the changes of an election.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use napi::Env;
use napi::bindgen_prelude::{FunctionRef, Unknown};
use napi::threadsafe_function::UnknownReturnValue;

use super::change::PlainChange;
use super::environment::{self, Feature};
use super::node;

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
