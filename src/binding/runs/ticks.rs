//! Reads what names a tick: the scheduled time, or what the usual schedulers hand out.
//!
//! None of them is a dependency: each is known by its methods, and asked for its own schedule, so that
//! time zones and summer time are what it says they are.

use std::cell::Cell;

use napi::Env;

use crate::binding::error::{PrimaryLeaseError, Result};
use crate::binding::js::{self, Kind, Value};
use crate::election::scoped::{last_occurrence, not_repeated};

/// The scheduled time of a run, in milliseconds since 1970.
pub enum Scheduled {
    /// The caller's word for it; it may be the time at which the schedule fired.
    Given(i64),
    /// Worked out here from the schedule itself.
    Found(i64),
}

impl Scheduled {
    pub fn of(env: &Env, tick: Value) -> Result<Self> {
        // A date, also one of another realm, as Jest's tests have them.
        match js::date_ms(tick) {
            Some(ms) if ms.is_finite() => return Ok(Scheduled::Given(ms as i64)),
            Some(_) => return Err(refuse("an invalid Date")),
            None => {}
        }
        let Kind::Object(_) = js::kind(tick)? else {
            return Err(refuse(js::describe(tick)));
        };
        let has = |name| Ok::<_, js::Thrown>(js::is_function(js::get(env, tick, name)?));
        let is_object = |of| Ok::<_, js::Thrown>(matches!(js::kind(of)?, Kind::Object(_)));
        let at = if is_object(js::get(env, tick, "cronTime")?)? {
            of_cron(env, tick)?
        } else if has("currentRun")? && has("nextRun")? {
            of_croner(env, tick)?
        } else if js::date_ms(js::get(env, tick, "triggeredAt")?).is_some() {
            of_node_cron(env, tick)?
        } else if has("getNextRun")? {
            let task = "a task of node-cron, which does not know for when it runs: give the context that \
                        its function is called with";
            return Err(refuse(task));
        } else {
            return Err(refuse(js::describe(tick)));
        };
        Ok(Scheduled::Found(at))
    }
}

/// Of a `CronJob`, which knows when it fired, and its schedule.
fn of_cron(env: &Env, job: Value) -> Result<i64> {
    let schedule = js::get(env, job, "cronTime")?;
    if js::is_true(js::get(env, schedule, "realDate")?) {
        return millis(env, js::get(env, schedule, "source")?);
    }
    let fired = js::invoke(env, job, "lastDate", &[])?;
    let Some(fired_at) = js::date_ms(fired) else {
        return Err(refuse("a CronJob that has not fired"));
    };
    let zone = zone(env, schedule)?;
    // Each of cron's answers takes it long: the last is kept, which mostly is that of the time found.
    let told = Cell::new(None);
    let next = |after: i64| {
        let after = date_like(env, fired, after)?;
        let date = js::invoke(env, schedule, "getNextDateFrom", &[after, zone])?;
        let ms = millis(env, date)?;
        told.set(Some((ms, date)));
        Ok::<_, PrimaryLeaseError>(Some(ms))
    };
    let at = found(last_occurrence(fired_at as i64, next)?)?;
    if told.get().is_none_or(|(ms, _)| ms != at) {
        next(at - 1)?;
    }
    // Of a job for 02:30 cron tells both of that night, to one that looks between the two.
    match told.get() {
        Some((_, date)) => match set_back_at(env, date, at)? {
            Some(set_back_at) => not_repeated(at, set_back_at, next),
            None => Ok(at),
        },
        None => Ok(at),
    }
}

/// When clocks were set back in the hours before a date of luxon's, which is `at`.
fn set_back_at(env: &Env, date: Value, at: i64) -> js::Result<Option<i64>> {
    let offset = |earlier: i64| {
        let mut seconds = js::object(env)?;
        js::set(&mut seconds, "seconds", Some(earlier as f64))?;
        let then = js::invoke(env, date, "minus", &[js::value(&seconds)])?;
        js::read::<f64>(js::get(env, then, "offset")?)
    };
    let now = offset(0)?;
    // In seconds before the date: when they were not set yet, and when they were.
    let (mut not_yet, mut set) = (3 * 3_600, 0);
    if offset(not_yet)? <= now {
        return Ok(None);
    }
    while not_yet - set > 1 {
        let middle = (not_yet + set) / 2;
        match offset(middle)? > now {
            true => not_yet = middle,
            false => set = middle,
        }
    }
    Ok(Some(at - set * 1_000))
}

/// As `CronTime` itself works out the next time.
fn zone(env: &Env, schedule: Value) -> Result<Value> {
    Ok(match js::kind(js::get(env, schedule, "utcOffset")?)? {
        Kind::Number(minutes) => {
            let sign = if minutes < 0.0 { '-' } else { '+' };
            let minutes = minutes.abs() as u32;
            let zone = format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60);
            js::make(env, zone)?
        }
        _ => js::get(env, schedule, "timeZone")?,
    })
}

/// Of croner's `Cron`, which knows the same.
fn of_croner(env: &Env, job: Value) -> Result<i64> {
    let options = js::get(env, job, "options")?;
    if let Kind::Object(_) = js::kind(options)?
        && let Kind::Number(interval) = js::kind(js::get(env, options, "interval")?)?
        // Only below 1 is it none to croner.
        && interval >= 1.0
    {
        let why = "a Cron with an interval, which every server counts from its own last run";
        return Err(refuse(why));
    }
    let fired = js::invoke(env, job, "currentRun", &[])?;
    let Some(fired_at) = js::date_ms(fired) else {
        return Err(refuse("a Cron that has not fired"));
    };
    if js::is_function(js::get(env, job, "previousRuns")?) {
        let after = date_like(env, fired, fired_at as i64 + 1)?;
        let before = js::invoke(env, job, "previousRuns", &[js::make(env, 1)?, after])?;
        return found(date_ms(js::get(env, before, "0")?));
    }
    let next = |after: i64| {
        let after = date_like(env, fired, after)?;
        Ok::<_, js::Thrown>(date_ms(js::invoke(env, job, "nextRun", &[after])?))
    };
    found(last_occurrence(fired_at as i64, next)?)
}

/// Of the context of node-cron, which says it.
fn of_node_cron(env: &Env, context: Value) -> Result<i64> {
    let execution = js::get(env, context, "execution")?;
    if let Kind::Object(_) = js::kind(execution)?
        && let Kind::Text(reason) = js::kind(js::get(env, execution, "reason")?)?
        && reason == "invoked"
    {
        let why = "the context of a run that was started by hand, which is no tick";
        return Err(refuse(why));
    }
    found(date_ms(js::get(env, context, "date")?))
}

fn found(at: Option<i64>) -> Result<i64> {
    at.ok_or_else(|| refuse("a job whose schedule has no time for this run"))
}

fn date_ms(date: Value) -> Option<i64> {
    js::date_ms(date)
        .filter(|ms| ms.is_finite())
        .map(|ms| ms as i64)
}

/// Of a date as luxon has it.
fn millis(env: &Env, date: Value) -> Result<i64> {
    match js::kind(js::invoke(env, date, "toMillis", &[])?)? {
        Kind::Number(ms) if ms.is_finite() => Ok(ms as i64),
        _ => Err(refuse("a CronJob whose schedule tells no time")),
    }
}

/// A `Date` of the realm of another one, as the scheduler's own `instanceof` wants it.
fn date_like(env: &Env, like: Value, ms: i64) -> js::Result<Value> {
    let class = js::get(env, like, "constructor")?;
    js::construct(env, class, &[js::make(env, ms as f64)?])
}

fn refuse(got: &str) -> PrimaryLeaseError {
    PrimaryLeaseError::invalid(format!(
        "tick must be the scheduled time as a Date, a job of cron or croner, or the context that \
         node-cron hands to its function, got {got}"
    ))
}
