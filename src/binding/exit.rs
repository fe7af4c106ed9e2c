//! The end of an environment: every lease is let go, with one bounded wait for all of them.

use std::rc::Rc;

use napi::Env;
use napi::bindgen_prelude::{FnArgs, Function, FunctionCallContext, JsObjectValue, Object};
use napi::threadsafe_function::UnknownReturnValue;

use super::environment::{self, Environment, existing, forget};
use super::logging;
use crate::driver::now;

/// The environment that we are called from, made at the first call.
pub fn present(env: &Env) -> napi::Result<Rc<Environment>> {
    let (environment, new) = environment::present(env)?;
    if new {
        // What cannot be let go at its end gets no lease.
        watch(env).inspect_err(|_| forget())?;
        logging::attach(&environment);
    }
    Ok(environment)
}

/// Sees to it that the end of this environment is noticed.
///
/// JavaScript's `exit` event comes with `process.exit`, an uncaught exception and a natural end;
/// Node-API's clean-up hook with a worker that is terminated. No signal handler is installed: that
/// would change what a signal does to the process.
fn watch(env: &Env) -> napi::Result<()> {
    let released: Function<'_, (), ()> =
        env.create_function_from_closure("releaseLeases", |_: FunctionCallContext| {
            leave();
            Ok(())
        })?;
    let process: Object = env.get_global()?.get_named_property("process")?;
    type Once<'a> = Function<'a, FnArgs<(&'a str, Function<'a, (), ()>)>, UnknownReturnValue>;
    let once: Once = process.get_named_property("once")?;
    once.apply(process, FnArgs::from(("exit", released)))?;
    env.add_env_cleanup_hook((), |()| {
        leave();
        if let Some(environment) = existing() {
            logging::detach(environment.id);
        }
        forget();
    })?;
    Ok(())
}

/// Lets go of everything this environment holds. Waits only where something is on its way.
fn leave() {
    let Some(environment) = existing() else {
        return;
    };
    // Both hooks run at a natural end, and it is waited for once.
    if environment.closed.replace(true) {
        return;
    }
    // All are sent before any is waited for.
    let members = environment.leaving();
    let leaving: Vec<_> = members.iter().filter_map(|member| member.leave()).collect();
    let timeout = leaving.iter().map(|leaving| leaving.timeout).max();
    let until = now() + timeout.unwrap_or_default();
    for leaving in leaving {
        (leaving.wait)(until);
    }
}
