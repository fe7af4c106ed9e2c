//! How a layer of JavaScript begins.

use std::rc::{Rc, Weak};

use napi::Env;
use napi::bindgen_prelude::{
    Float64Array, FnArgs, Function, FunctionCallContext, JsObjectValue, Object, ToNapiValue,
    Unknown,
};
use napi::threadsafe_function::UnknownReturnValue;
use napi_derive::napi;

use super::environment::existing;
use super::error::{Cause, Result, ending};
use super::events::{Attachment, Events, Extra};
use super::exit::present;
use super::{lease, logging, run};

/// Brings events to `deliver(count, extras)`: it finds the numbers of `count` events in `events`. Returns the
/// number of this layer, and the verbs that are called for each run and each look at a lease, which read what they
/// are called with from `numbers`; `over` is where the layer puts the runs that are over.
#[napi(
    catch_unwind,
    ts_args_type = "deliver: (count: number, extras: (string | Line)[]) => void, events: Float64Array, numbers: Float64Array, over: Float64Array",
    ts_return_type = "{number: number, checkRun: () => void, beginRun: (store: ExternalObject<unknown>, resource: string) => number, takeRun: () => boolean, handOverRuns: () => void, isHeld: () => boolean, remainingMs: () => number}"
)]
pub fn attach<'env>(
    env: &'env Env,
    deliver: Function<'_, FnArgs<(u32, Vec<Extra>)>, UnknownReturnValue>,
    events: Float64Array,
    numbers: Float64Array,
    over: Float64Array,
) -> Result<Object<'env>> {
    let environment = present(env).map_err(Cause::from)?;
    let number = environment.next_number();
    let deliver = deliver.create_ref().map_err(Cause::from)?;
    let attachment = Attachment::new(number, deliver, [events, numbers, over]);
    let layer = environment.feature::<Events>().attach(attachment);
    Ok(verbs(env, &layer).map_err(Cause::from)?)
}

/// Functions of the layer. Those that napi derives make a memory of what they borrow at each call, which takes longer
/// than most of these verbs.
fn verbs<'env>(env: &'env Env, layer: &Rc<Attachment>) -> napi::Result<Object<'env>> {
    let mut verbs = Object::new(env)?;
    verbs.set("number", layer.number as f64)?;
    set(env, &mut verbs, layer, "beginRun", run::begin_run)?;
    set(env, &mut verbs, layer, "checkRun", |layer, _| {
        run::check_run(layer)
    })?;
    set(env, &mut verbs, layer, "takeRun", |layer, _| {
        Ok(run::take_run(layer))
    })?;
    set(env, &mut verbs, layer, "handOverRuns", |layer, _| {
        run::hand_over_runs(layer);
        Ok(())
    })?;
    set(env, &mut verbs, layer, "isHeld", |layer, _| {
        Ok(lease::is_held(layer.subject()))
    })?;
    set(env, &mut verbs, layer, "remainingMs", |layer, _| {
        Ok(lease::remaining_ms(layer.subject()))
    })?;
    Ok(verbs)
}

fn set<T: ToNapiValue + Default>(
    env: &Env,
    verbs: &mut Object,
    layer: &Rc<Attachment>,
    name: &str,
    verb: impl Fn(&Attachment, &FunctionCallContext) -> std::result::Result<T, Cause> + 'static,
) -> napi::Result<()> {
    // Its lists are let go with the environment, however long JavaScript keeps the function.
    let layer: Weak<Attachment> = Rc::downgrade(layer);
    let call = move |call: FunctionCallContext| {
        let done = match layer.upgrade() {
            Some(layer) => verb(&layer, &call),
            None => Err(ending()),
        };
        done.or_else(|cause| {
            call.env
                .throw_error(&cause.to_string(), Some(cause.code().as_ref()))?;
            Ok(T::default())
        })
    };
    verbs.set(
        name,
        env.create_function_from_closure::<(), _, _>(name, call)?,
    )
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
