//! Reads the options of a run.

use std::time::Duration;

use napi::Env;

use crate::binding::error::{PrimaryLeaseError, Result};
use crate::binding::given::{Given, Limit};
use crate::binding::js::{self, Kind, Value};
use crate::binding::options::exit_timeout;
use crate::driver::wall_micros;
use crate::election::scoped::{DEFAULT_TICK_MEMORY, ScopedConfig, Tick};
use crate::election::{DEFAULT_TTL, check_stall_timeout, default_stall_timeout};

/// What the lease of a run is asked for with, beside its store and its resource.
#[derive(Clone, Debug)]
pub struct RunOptions {
    pub config: ScopedConfig,
    pub max_run: Option<Duration>,
    pub stall_timeout: Option<Duration>,
    pub exit_timeout: Duration,
    pub tick_memory: Duration,
}

/// The least that `LeaderRunner` holds a lease, where its ttl is not shorter.
const RUNNER_MIN_HOLD: Duration = Duration::from_millis(500);

const OF_WITH_LEASE: [&str; 11] = [
    "ttl",
    "minHold",
    "tick",
    "tickEvery",
    "tickMemory",
    "wait",
    "acquireTimeout",
    "maxRun",
    "signal",
    "stallTimeout",
    "exitTimeout",
];
const OF_RUNNER: [&str; 6] = [
    "minHold",
    "tickMemory",
    "acquireTimeout",
    "maxRun",
    "stallTimeout",
    "exitTimeout",
];
const OF_RUN: [&str; 4] = ["tick", "tickEvery", "minHold", "maxRun"];

impl RunOptions {
    /// Those of `withLease`, and the caller's signal.
    pub fn of_with_lease(env: &Env, given: Value) -> Result<(Self, Option<Value>)> {
        let given = Given::new(env, given, &OF_WITH_LEASE)?;
        let ttl = given.millis("ttl")?.unwrap_or(DEFAULT_TTL);
        let mut options = RunOptions::new(ttl, Duration::ZERO);
        options.read(&given)?;
        if let Some(wait) = given.millis("wait")? {
            options.config.wait = wait;
        }
        options.read_run(&given)?;
        options.check("ttl")?;
        Ok((options, signal(env, &given)?))
    }

    /// Those of a `LeaderRunner`, which hold for all of its runs.
    pub fn of_runner(env: &Env, lock_ttl: Value, given: Value) -> Result<Self> {
        let ttl = match js::kind(lock_ttl)? {
            Kind::Number(ms) if ms.is_finite() && (0.0..1e12).contains(&ms) => {
                Duration::from_micros((ms * 1_000.0).round() as u64)
            }
            Kind::Number(ms) => {
                return Err(PrimaryLeaseError::invalid(format!(
                    "lockTTL must be a number of milliseconds, got {ms}"
                )));
            }
            _ => {
                return Err(PrimaryLeaseError::invalid(format!(
                    "lockTTL must be a number of milliseconds, got {}",
                    js::describe(lock_ttl)
                )));
            }
        };
        let given = Given::new(env, given, &OF_RUNNER)?;
        let mut options = RunOptions::new(ttl, ttl.min(RUNNER_MIN_HOLD));
        options.read(&given)?;
        options.check("lockTTL")?;
        Ok(options)
    }

    /// These, with what one call of `runLocked` says otherwise.
    pub fn of_run(&self, env: &Env, given: Value) -> Result<Self> {
        let given = Given::new(env, given, &OF_RUN)?;
        let mut options = self.clone();
        options.read_run(&given)?;
        options.check("lockTTL")?;
        Ok(options)
    }

    fn new(ttl: Duration, min_hold: Duration) -> Self {
        let mut config = ScopedConfig::new(ttl);
        config.min_hold = min_hold;
        RunOptions {
            config,
            max_run: None,
            stall_timeout: Some(default_stall_timeout(ttl)),
            exit_timeout: Duration::ZERO,
            tick_memory: DEFAULT_TICK_MEMORY,
        }
    }

    fn read(&mut self, given: &Given) -> Result<()> {
        if let Some(memory) = given.millis("tickMemory")? {
            self.tick_memory = memory;
        }
        if let Some(timeout) = given.millis("acquireTimeout")? {
            self.config.acquire_timeout = timeout;
        }
        match given.millis_or_false("stallTimeout")? {
            Some(Limit::Never) => self.stall_timeout = None,
            Some(Limit::After(timeout)) => self.stall_timeout = Some(timeout),
            None => {}
        }
        self.exit_timeout = exit_timeout(given)?;
        self.read_hold(given)
    }

    fn read_hold(&mut self, given: &Given) -> Result<()> {
        if let Some(min_hold) = given.millis("minHold")? {
            self.config.min_hold = min_hold;
        }
        if let Some(max_run) = given.millis("maxRun")? {
            if max_run.is_zero() {
                return Err(PrimaryLeaseError::invalid(
                    "maxRun must be above 0 ms, got 0",
                ));
            }
            self.max_run = Some(max_run);
        }
        Ok(())
    }

    fn read_run(&mut self, given: &Given) -> Result<()> {
        self.read_hold(given)?;
        let memory = self.tick_memory;
        let at = match (given.get("tick")?, given.millis("tickEvery")?) {
            (None, None) => return Ok(()),
            (Some(_), Some(_)) => {
                return Err(PrimaryLeaseError::invalid(
                    "tick and tickEvery were both given: one of them names the tick",
                ));
            }
            (Some(tick), None) => date(tick)?,
            (None, Some(every)) => nearest(every)?,
        };
        self.config.tick = Some(Tick { at, memory });
        Ok(())
    }

    fn check(&self, ttl_field: &'static str) -> Result<()> {
        self.config.check(ttl_field)?;
        check_stall_timeout(self.config.ttl, self.stall_timeout)?;
        Ok(())
    }
}

/// A date, also one of another realm, as Jest's tests have them.
fn date(tick: Value) -> Result<i64> {
    let refuse = |got: &str| {
        Err(PrimaryLeaseError::invalid(format!(
            "tick must be a valid Date, got {got}"
        )))
    };
    match js::date_ms(tick) {
        Some(ms) if ms.is_finite() => Ok(ms as i64),
        Some(_) => refuse("an invalid one"),
        None => refuse(js::describe(tick)),
    }
}

/// The multiple of `every` that is nearest to the present time.
fn nearest(every: Duration) -> Result<i64> {
    let every_ms = every.as_micros() as f64 / 1_000.0;
    if every_ms < 1.0 {
        return Err(PrimaryLeaseError::invalid(format!(
            "tickEvery must be at least 1 ms, got {every_ms}"
        )));
    }
    let now = wall_micros() as f64 / 1_000.0;
    Ok(((now / every_ms).round() * every_ms) as i64)
}

fn signal(env: &Env, given: &Given) -> Result<Option<Value>> {
    let Some(signal) = given.get("signal")? else {
        return Ok(None);
    };
    let is_signal = match js::kind(signal)? {
        Kind::Object(_) => js::is_function(js::get(env, signal, "addEventListener")?),
        _ => false,
    };
    match is_signal {
        true => Ok(Some(signal)),
        false => Err(PrimaryLeaseError::invalid(format!(
            "signal must be an AbortSignal, got {}",
            js::describe(signal)
        ))),
    }
}
