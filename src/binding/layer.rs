//! How a layer of JavaScript begins.

use napi::Env;
use napi::bindgen_prelude::{Float64Array, FnArgs, Function, JsObjectValue, Object, Unknown};
use napi::threadsafe_function::UnknownReturnValue;
use napi_derive::napi;

use super::environment::existing;
use super::error::{Cause, Result};
use super::events::{Attachment, Events, Extra};
use super::exit::present;
use super::logging;

/// Brings events to `deliver(count, extras)`: it finds the numbers of `count` events in `events`. Returns the
/// number of this layer; `numbers` is where it puts the lists of numbers that verbs read, and `over` the runs that are
/// over.
#[napi(
    catch_unwind,
    ts_args_type = "deliver: (count: number, extras: (string | Line)[]) => void, events: Float64Array, numbers: Float64Array, over: Float64Array"
)]
pub fn attach(
    env: &Env,
    deliver: Function<'_, FnArgs<(u32, Vec<Extra>)>, UnknownReturnValue>,
    events: Float64Array,
    numbers: Float64Array,
    over: Float64Array,
) -> Result<f64> {
    let environment = present(env).map_err(Cause::from)?;
    let number = environment.next_number();
    let deliver = deliver.create_ref().map_err(Cause::from)?;
    let attachment = Attachment::new(number, deliver, [events, numbers, over]);
    environment.feature::<Events>().attach(attachment);
    Ok(number as f64)
}

/// Sends the lines of the log to a layer, from this level on: `debug` or `warn`; `undefined` for none.
#[napi(catch_unwind)]
pub fn log(env: &Env, layer: f64, level: Option<String>) -> Result<()> {
    let environment = present(env).map_err(Cause::from)?;
    environment.feature::<Events>().logged.set(layer as u64);
    logging::set(&environment, level.as_deref());
    Ok(())
}

/// Whether the lines of the log go to this layer: the last that was attached, or that asked for them.
#[napi(catch_unwind)]
pub fn is_logged(layer: f64) -> bool {
    existing().is_some_and(|all| all.feature::<Events>().logged.get() == layer as u64)
}

/// Whether a promise of the layer keeps the process alive, beside those of this binary.
#[napi(catch_unwind)]
pub fn keep_alive(env: &Env, keep: bool) -> Result<()> {
    let environment = present(env).map_err(Cause::from)?;
    environment.keep_alive(env, keep);
    Ok(())
}

/// The timers of Node itself: a test runner puts others in their place, where the layer is, that stand still.
#[napi(
    catch_unwind,
    ts_return_type = "{nextTick: typeof process.nextTick, setImmediate: typeof setImmediate, setTimeout: typeof setTimeout}"
)]
pub fn timers(env: &Env) -> napi::Result<Object<'_>> {
    let global = env.get_global()?;
    let process: Object = global.get_named_property("process")?;
    let mut timers = Object::new(env)?;
    timers.set(
        "nextTick",
        process.get_named_property::<Unknown>("nextTick")?,
    )?;
    for name in ["setImmediate", "setTimeout"] {
        timers.set(name, global.get_named_property::<Unknown>(name)?)?;
    }
    Ok(timers)
}

/// To a ping: the event loop turns. `excused` where standing still from here on would not be a hang.
#[napi(catch_unwind)]
pub fn turned(excused: bool) {
    if let Some(environment) = existing() {
        environment.feature::<Events>().beat(excused);
    }
}
