use std::cell::Cell;
use std::rc::Rc;

use napi::{Env, UnknownRef};

use super::change::Telling;
use super::environment::{self, Delivery, Environment};
use super::guarded::Guard;
use super::js::{self, Value};

/// A function that one election calls.
pub struct Listener {
    pub number: u64,
    pub prefix: String,
    role: Role,
    function: Cell<Option<UnknownRef<false>>>,
    /// It was told the present, if there was one when it came.
    live: Cell<bool>,
}

/// What the function is for.
pub enum Role {
    /// To be told of every change.
    Told,
    /// To work while this server is primary.
    Works(Guard),
}

/// Adds a listener; it returns its number.
pub fn add(
    environment: &Environment,
    prefix: &str,
    function: Value,
    role: Role,
) -> js::Result<u64> {
    let campaign = environment.campaign(prefix);
    let listener = Rc::new(Listener {
        number: environment.next_number(),
        prefix: prefix.into(),
        role,
        function: Cell::new(Some(js::read(function)?)),
        live: Cell::new(campaign.is_none()),
    });
    let number = listener.number;
    let first = !has_any(environment, prefix);
    environment.listeners.borrow_mut().push(listener);
    if let Some(campaign) = campaign {
        // Behind whatever is on its way already, which is part of the present by then.
        environment
            .channel
            .send(Delivery::Present { listener: number });
        if first {
            campaign.handle.listen(true);
        }
    }
    Ok(number)
}

/// Removes a listener; one that is gone already is left alone.
pub fn remove(env: &Env, environment: &Environment, number: u64) {
    let mut listeners = environment.listeners.borrow_mut();
    let Some(at) = listeners.iter().position(|l| l.number == number) else {
        return;
    };
    let listener = listeners.remove(at);
    drop(listeners);
    if let Some(function) = listener.function.take() {
        // Nothing to be done about a reference that cannot be given back.
        let _ = function.unref(env);
    }
    if !has_any(environment, &listener.prefix)
        && let Some(campaign) = environment.campaign(&listener.prefix)
    {
        campaign.handle.listen(false);
    }
}

pub fn has_any(environment: &Environment, prefix: &str) -> bool {
    let listeners = environment.listeners.borrow();
    listeners.iter().any(|l| l.prefix == prefix)
}

/// Tells everybody who listens to `prefix` and has been told the present.
///
/// # Errors
///
/// Where it could not be told to somebody, for a reason of ours.
pub fn broadcast(
    env: &Env,
    environment: &Environment,
    prefix: &str,
    telling: &Telling,
) -> js::Result<()> {
    let listeners: Vec<_> = environment
        .listeners
        .borrow()
        .iter()
        .filter(|l| l.prefix == prefix && l.live.get())
        .cloned()
        .collect();
    let mut told = Ok(());
    for listener in listeners {
        told = told.and(listener.tell(env, environment, telling));
    }
    told
}

/// Tells a late listener the present, from where on it hears every change.
pub fn tell_present(env: &Env, environment: &Environment, number: u64) {
    let listeners = environment.listeners.borrow();
    let Some(listener) = listeners.iter().find(|l| l.number == number).cloned() else {
        return;
    };
    drop(listeners);
    listener.live.set(true);
    let Some(campaign) = environment.campaign(&listener.prefix) else {
        return;
    };
    for telling in campaign.present(env, environment).tellings() {
        if let Err(thrown) = listener.tell(env, environment, &telling) {
            campaign.not_told(env, environment, &telling, &thrown);
        }
    }
}

impl Listener {
    fn tell(&self, env: &Env, environment: &Environment, telling: &Telling) -> js::Result<()> {
        match self.role {
            Role::Told => {
                let change = telling.to_js(env, &self.prefix)?;
                self.tell_all(env, js::value(&change));
            }
            Role::Works(_) if matches!(telling, Telling::Elected(_)) => {
                self.begin_work(env, environment);
            }
            Role::Works(_) => {}
        }
        Ok(())
    }

    /// Begins what is to be done while this server is primary, if it is.
    pub fn begin_work(&self, env: &Env, environment: &Environment) {
        if let Role::Works(guard) = &self.role {
            guard.begin(env, environment, self);
        }
    }

    fn tell_all(&self, env: &Env, change: Value) {
        let told = self
            .call(env, change)
            .and_then(|returned| returned.map_or(Ok(()), |value| self.observe(env, value)));
        if let Err(thrown) = told {
            tracing::error!(
                environment = environment::id(),
                prefix = %self.prefix,
                "a listener threw: {thrown}"
            );
        }
    }

    /// What the function returned; `None` where it was removed.
    pub fn call(&self, env: &Env, argument: Value) -> js::Result<Option<Value>> {
        // Taken and put back: the listener may remove itself while it runs.
        let Some(reference) = self.function.take() else {
            return Ok(None);
        };
        let function = reference
            .get_value(env)
            .map(|function| js::value(&function));
        self.function.set(Some(reference));
        let nothing = js::make(env, ())?;
        js::call(env, nothing, function?, &[argument]).map(Some)
    }

    /// A promise that a listener returns must not be rejected unobserved.
    fn observe(&self, env: &Env, returned: Value) -> js::Result<()> {
        let Some(then) = js::then_of(env, returned)? else {
            return Ok(());
        };
        let prefix = self.prefix.clone();
        let rejected = js::function(env, "listenerRejected", move |env, reason| {
            let error = reason.map(|reason| js::show(env, reason));
            let error = error.unwrap_or_default();
            tracing::error!(
                environment = environment::id(),
                %prefix,
                "a listener's promise was rejected: {error}"
            );
        })?;
        let nothing = js::make(env, ())?;
        js::call(env, returned, then, &[nothing, rejected])?;
        Ok(())
    }
}
