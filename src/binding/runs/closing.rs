//! The end of a `LeaderRunner`: what is under way may finish, for a while.

use std::rc::Rc;

use napi::Env;
use napi::bindgen_prelude::Object;

use super::ending::Ending;
use super::leader_runner::Runner;
use crate::binding::environment::Environment;
use crate::binding::given::Given;
use crate::binding::js::Value;
use crate::binding::promise::{self, Gathering};

/// Begins no more runs of `runner`, and lets those that are under way end.
pub fn close(
    env: &Env,
    environment: &Rc<Environment>,
    runner: &Rc<Runner>,
    options: Value,
) -> napi::Result<Object<'static>> {
    let given = Given::new(env, options, &["drain"]).and_then(|given| given.millis("drain"));
    let drain = match given {
        Ok(drain) => drain.unwrap_or(runner.options.config.ttl),
        Err(error) => return promise::rejected(env, error),
    };
    runner.closed.set(true);
    let (deferred, promise) = promise::pending(env)?;
    let gathering = Gathering::begin(deferred);
    for job in runner.jobs() {
        job.abandon(env, environment, Ending::Closed);
        job.leave(&gathering);
    }
    gathering.finish();
    if drain.is_zero() {
        cut(env, environment, runner);
    } else if !gathering.is_finished() {
        let number = environment.next_number();
        environment
            .runners
            .borrow_mut()
            .insert(number, Rc::downgrade(runner));
        environment.after(drain, move |env, environment| {
            let runner = environment.runners.borrow_mut().remove(&number);
            if let Some(runner) = runner.and_then(|runner| runner.upgrade()) {
                cut(env, environment, &runner);
            }
        });
    }
    Ok(promise)
}

fn cut(env: &Env, environment: &Rc<Environment>, runner: &Runner) {
    for job in runner.jobs() {
        job.cut(env, environment);
    }
}
