use std::time::Duration;

use crate::election::config::{drift_margins, shown_ms, shown_ttl, step_down_margin};
use crate::election::{ConfigError, MAX_TTL};

/// What one run's lease is asked for with. Everything else follows from the ttl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopedConfig {
    /// How long a grant lasts without a renewal.
    pub ttl: Duration,
    /// How long after its grant nobody else is granted the lease, though it was released.
    pub min_hold: Duration,
    /// What the run is for; one tick is never granted to two.
    pub tick: Option<Tick>,
    /// How long a lease that another holds is waited for.
    pub wait: Duration,
    /// How long a store that does not answer is waited for.
    pub acquire_timeout: Duration,
}

/// One tick of a schedule, the same on all servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tick {
    /// The scheduled time, in milliseconds since 1970.
    pub at: i64,
    /// For how long it is remembered that it was granted.
    pub memory: Duration,
}

pub const MIN_SCOPED_TTL: Duration = Duration::from_millis(100);
pub const DEFAULT_TICK_MEMORY: Duration = Duration::from_secs(24 * 3600);
/// 30 days.
pub const MAX_TICK_MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
const LONGEST_DEFAULT_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// How long a `LeaderRunner` holds a lease at least, where nobody says otherwise and the ttl is not
/// shorter: a server that is late by less does not run a short job again.
const RUNNER_MIN_HOLD: Duration = Duration::from_millis(500);

impl ScopedConfig {
    pub fn new(ttl: Duration) -> Self {
        ScopedConfig {
            ttl,
            min_hold: Duration::ZERO,
            tick: None,
            wait: Duration::ZERO,
            acquire_timeout: (ttl / 2).min(LONGEST_DEFAULT_ACQUIRE_TIMEOUT),
        }
    }

    /// For the runs of a `LeaderRunner`.
    pub fn of_runner(ttl: Duration) -> Self {
        ScopedConfig {
            min_hold: ttl.min(RUNNER_MIN_HOLD),
            ..ScopedConfig::new(ttl)
        }
    }

    /// Checks the relations between the fields; `ttl_field` is what the caller calls the ttl.
    pub fn check(&self, ttl_field: &'static str) -> Result<(), ConfigError> {
        let between = |field, value: Duration, least: Duration, most: Duration, why: &str| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(ConfigError {
                field,
                value: if field == ttl_field {
                    shown_ttl(value)
                } else {
                    shown_ms(value)
                },
                rule: format!("from {} to {} ms{why}", least.as_millis(), most.as_millis()),
            })
        };
        let ttl = self.ttl;
        between(ttl_field, ttl, MIN_SCOPED_TTL, MAX_TTL, "")?;
        let why = format!(" (the {ttl_field})");
        between("minHold", self.min_hold, Duration::ZERO, ttl, &why)?;
        between("wait", self.wait, Duration::ZERO, MAX_WAIT, "")?;
        let least = Duration::from_millis(10);
        between("acquireTimeout", self.acquire_timeout, least, MAX_WAIT, "")?;
        if let Some(tick) = self.tick {
            between("tickMemory", tick.memory, ttl, MAX_TICK_MEMORY, "")?;
        }
        Ok(())
    }

    /// From the send of a confirmed request to the end of the validity window.
    pub fn window(&self) -> Duration {
        drift_margins(self.ttl)
    }

    /// From the send of a confirmed request to the step-down deadline.
    pub fn term(&self) -> Duration {
        self.window().saturating_sub(step_down_margin(self.ttl))
    }

    /// From one confirmed renewal to the next.
    pub fn renew_interval(&self) -> Duration {
        self.ttl / 3
    }

    /// How long a command may go unanswered where nothing nearer bounds it.
    pub fn command_bound(&self) -> Duration {
        self.ttl / 6
    }

    /// The pause before the first repetition of a failed command; it doubles up to
    /// [`ScopedConfig::command_bound`].
    pub fn first_retry(&self) -> Duration {
        FIRST_RETRY.min(self.command_bound())
    }
}

const FIRST_RETRY: Duration = Duration::from_millis(50);
