use std::time::Duration;

use super::{Tick, TickName};
use crate::election::config::{drift_margins, shown_ms, shown_ttl, step_down_margin};
use crate::election::{ConfigError, MAX_TTL, planted};

/// What one run's lease is asked for with. Everything else follows from the ttl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunConfig {
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
    /// The run ends by itself, or is told to: nobody has to be warned of a long one.
    pub bounded: bool,
    /// A caller that ends the run waits for the answer to its release. Else only until that was sent.
    pub await_release: bool,
}

pub const MIN_RUN_TTL: Duration = Duration::from_millis(100);
pub const DEFAULT_TICK_MEMORY: Duration = Duration::from_secs(24 * 3600);
/// 30 days.
pub const MAX_TICK_MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
const LONGEST_DEFAULT_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// How long a `LeaderRunner` holds a lease at least, where nobody says otherwise and the ttl is not
/// shorter: a server that is late by less does not run a short job again.
const RUNNER_MIN_HOLD: Duration = Duration::from_millis(500);

impl RunConfig {
    pub fn new(ttl: Duration) -> Self {
        RunConfig {
            ttl,
            min_hold: Duration::ZERO,
            tick: None,
            wait: Duration::ZERO,
            acquire_timeout: (ttl / 2).min(LONGEST_DEFAULT_ACQUIRE_TIMEOUT),
            bounded: false,
            await_release: true,
        }
    }

    /// For the runs of a `LeaderRunner`.
    pub fn of_runner(ttl: Duration) -> Self {
        RunConfig {
            min_hold: ttl.min(RUNNER_MIN_HOLD),
            ..RunConfig::new(ttl)
        }
    }

    /// Checks the relations between the fields; `ttl_field` is what the caller calls the ttl.
    pub fn check(&self, ttl_field: &'static str) -> Result<(), ConfigError> {
        let between = |field, value: Duration, least: Duration, most: Duration| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            let why = match field {
                "minHold" => format!(" (the {ttl_field})"),
                _ => String::new(),
            };
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
        between(ttl_field, ttl, MIN_RUN_TTL, MAX_TTL)?;
        between("minHold", self.min_hold, Duration::ZERO, ttl)?;
        between("wait", self.wait, Duration::ZERO, MAX_WAIT)?;
        let least = Duration::from_millis(10);
        between("acquireTimeout", self.acquire_timeout, least, MAX_WAIT)?;
        match self.tick {
            Some(Tick {
                name: TickName::At(_),
                memory,
                ..
            }) => between("tickMemory", memory, ttl, MAX_TICK_MEMORY)?,
            Some(Tick {
                name: TickName::Present,
                memory,
                ..
            }) => {
                let least = Duration::from_millis(2);
                between("tickEvery", memory * 2, least, MAX_TICK_MEMORY)?;
            }
            None => {}
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

    /// A run begins with so much of its lease left at least: what it is granted and finds nearly over, because the
    /// event loop had much to do, is asked for again, and not lost as soon as it has begun.
    pub fn least_to_begin(&self) -> Duration {
        (self.ttl / 10).min(LONGEST_LEAST)
    }

    /// From one confirmed renewal to the next.
    pub fn renew_interval(&self) -> Duration {
        self.ttl / 3
    }

    /// How long a command may go unanswered where nothing nearer bounds it.
    pub fn command_bound(&self) -> Duration {
        self.ttl / 6
    }

    /// The same for a question of a caller: one that is lost must leave time for others.
    pub fn question_bound(&self) -> Duration {
        let share = (self.acquire_timeout / 3).max(LEAST_QUESTION);
        match planted!(OneQuestionTakesAll) {
            true => self.command_bound(),
            false => self.command_bound().min(share),
        }
    }

    /// How long another is waited for that was granted our tick and has not begun to run: a little longer
    /// than our own `acquire_timeout`, by when one of the same that hears no answer has withdrawn.
    pub fn patience(&self) -> Duration {
        self.acquire_timeout + self.acquire_timeout / 8 + LEAST_QUESTION
    }

    /// The longest pause between two looks whether it has begun.
    pub fn longest_look(&self) -> Duration {
        (self.acquire_timeout / 8).max(FIRST_LOOK)
    }

    /// Within this, messages make a waiter ask four times at most.
    pub fn release_interval(&self) -> Duration {
        (self.ttl / 24).clamp(LEAST_QUESTION, Duration::from_secs(1))
    }

    /// A run that has held its lease for so long is worth a warning where nothing bounds it.
    pub fn long_run(&self) -> Duration {
        (self.ttl * 10).max(LEAST_LONG_RUN)
    }

    /// The pause before the first repetition of a failed command; it doubles up to
    /// [`RunConfig::command_bound`].
    pub fn first_retry(&self) -> Duration {
        FIRST_RETRY.min(self.command_bound())
    }
}

const FIRST_RETRY: Duration = Duration::from_millis(50);
/// The pause before the first look whether the run of another's tick has begun.
pub(super) const FIRST_LOOK: Duration = Duration::from_millis(10);
const LEAST_QUESTION: Duration = Duration::from_millis(100);
const LEAST_LONG_RUN: Duration = Duration::from_secs(60);
/// Longer than the thread of an event loop waits for its turn on a busy machine.
const LONGEST_LEAST: Duration = Duration::from_millis(250);
