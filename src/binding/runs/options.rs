//! Reads the options of a run.

use std::time::Duration;

use napi::Env;

use super::ticks::Scheduled;
use crate::binding::error::{PrimaryLeaseError, Result};
use crate::binding::given::{Given, Limit};
use crate::binding::js::{self, Kind, Value};
use crate::binding::options::exit_timeout;
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
    /// The caller has said what `minHold` is to be.
    holds_by_word: bool,
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
        options.read_run(env, &given)?;
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
        options.read_run(env, &given)?;
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
            holds_by_word: false,
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
            self.holds_by_word = true;
        }
        if let Some(max_run) = given.millis("maxRun")? {
            if max_run.is_zero() {
                return Err(PrimaryLeaseError::invalid(
                    "maxRun must be above 0 ms, got 0",
                ));
            }
            self.max_run = Some(max_run);
            self.config.bounded = true;
        }
        Ok(())
    }

    fn read_run(&mut self, env: &Env, given: &Given) -> Result<()> {
        self.read_hold(given)?;
        let memory = self.tick_memory;
        let tick = match (given.get("tick")?, given.millis("tickEvery")?) {
            (None, None) => return Ok(()),
            (Some(_), Some(_)) => {
                return Err(PrimaryLeaseError::invalid(
                    "tick and tickEvery were both given: one of them names the tick",
                ));
            }
            (None, Some(period)) => Tick::every(period),
            (Some(tick), None) => match Scheduled::of(env, tick)? {
                Scheduled::Found(at) => Tick::at(at, memory),
                Scheduled::Given(at) => {
                    self.config.tick = Some(Tick::at(at, memory));
                    return Ok(());
                }
            },
        };
        self.config.tick = Some(tick);
        // The name alone tells the late from the next: holding on would refuse ticks that come quickly.
        if !self.holds_by_word {
            self.config.min_hold = Duration::ZERO;
        }
        Ok(())
    }

    fn check(&self, ttl_field: &'static str) -> Result<()> {
        self.config.check(ttl_field)?;
        check_stall_timeout(self.config.ttl, self.stall_timeout)?;
        Ok(())
    }
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
