use std::fmt;
use std::time::Duration;

use super::{Rank, planted};

/// What one election is told at its start. Everything else follows from the ttl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long a grant lasts without a renewal, as standbys count it. The same on all servers.
    pub ttl: Duration,
    /// From the send of one confirmed renewal to the next.
    pub renew_interval: Duration,
    /// By how much earlier at most the first renewal of a term is sent, and the first after a failure: elections
    /// that began, or were interrupted, together do not renew in step.
    pub renew_spread: Duration,
    /// Renewals are due at the multiples of this, and so those of many elections together: one wake of the process,
    /// one write and one answer serve them all.
    pub renew_grid: Duration,
    /// How long an establishing caller waits for a store that does not answer.
    pub establish_timeout: Duration,
    /// Take a missing record at once on a server that has been up long enough.
    pub eager_start: bool,
    /// How long the event loop that is served may stand still before it counts as hung; `None` for
    /// ever.
    pub stall_timeout: Option<Duration>,
    /// How it ranks among those who stand: the highest goes first.
    pub rank: Rank,
}

pub const MIN_TTL: Duration = Duration::from_millis(500);
/// One day. A longer ttl would keep a dead primary's place for longer than anybody wants.
pub const MAX_TTL: Duration = Duration::from_secs(86_400);
pub const DEFAULT_TTL: Duration = Duration::from_secs(5);
pub const DEFAULT_ESTABLISH_TIMEOUT: Duration = Duration::from_secs(10);

/// A configuration that breaks a rule: the field, the value that was given, and the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub field: &'static str,
    pub value: String,
    pub rule: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} must be {}, got {}",
            self.field, self.rule, self.value
        )
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    pub fn new(ttl: Duration) -> Self {
        Config {
            ttl,
            renew_interval: ttl / 3,
            renew_spread: ttl / 3,
            renew_grid: (ttl / 100).min(LONGEST_GRID),
            establish_timeout: DEFAULT_ESTABLISH_TIMEOUT,
            eager_start: false,
            stall_timeout: Some(default_stall_timeout(ttl)),
            rank: Rank::default(),
        }
    }

    /// Checks the relations between the fields.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |field, value, rule| {
            let value = if field == "ttl" {
                shown_ttl(value)
            } else {
                shown_ms(value)
            };
            Err(ConfigError { field, value, rule })
        };
        if !(MIN_TTL..=MAX_TTL).contains(&self.ttl) {
            let rule = format!("from {} to {} ms", MIN_TTL.as_millis(), MAX_TTL.as_millis());
            return refuse("ttl", self.ttl, rule);
        }
        // A renewal whose answer never comes has to leave time for a second one.
        let latest = self.term().saturating_sub(self.command_bound() * 2);
        if self.renew_interval < MIN_RENEW_INTERVAL || self.renew_interval > latest {
            let rule = format!(
                "from {} to {} ms (the step-down deadline less two unanswered commands, at a ttl of {} ms)",
                MIN_RENEW_INTERVAL.as_millis(),
                latest.as_millis(),
                self.ttl.as_millis(),
            );
            return refuse("renewInterval", self.renew_interval, rule);
        }
        if !(MIN_ESTABLISH_TIMEOUT..=MAX_ESTABLISH_TIMEOUT).contains(&self.establish_timeout) {
            let rule = format!(
                "from {} to {} ms",
                MIN_ESTABLISH_TIMEOUT.as_millis(),
                MAX_ESTABLISH_TIMEOUT.as_millis()
            );
            return refuse("establishTimeout", self.establish_timeout, rule);
        }
        check_stall_timeout(self.ttl, self.stall_timeout)
    }

    /// From the send of a confirmed request to the end of the validity window (R5 of docs/protocol.md).
    pub fn window(&self) -> Duration {
        drift_margins(self.ttl)
    }

    /// From the send of a confirmed request to the step-down deadline (R4 of docs/protocol.md).
    pub fn term(&self) -> Duration {
        self.window().saturating_sub(step_down_margin(self.ttl))
    }

    /// How long work in flight has to stop after the step-down deadline.
    pub fn grace(&self) -> Duration {
        self.window().saturating_sub(self.term())
    }

    /// How long this server looks on after its work has failed so often in a row.
    pub fn rest(&self, failures: u32) -> Duration {
        let doubled = self.ttl.saturating_mul(1 << failures.min(16));
        doubled.min(LONGEST_REST.max(self.ttl))
    }

    /// How long a command may go unanswered where nothing nearer bounds it.
    pub fn command_bound(&self) -> Duration {
        self.ttl / 6
    }

    /// From the send of a confirmed renewal, whose answer took so long, to the next.
    ///
    /// Thousands that share a store which is behind ask it less often, until it keeps up: at the usual interval each
    /// would wait for its answer as long as all of them take, however long that is.
    pub(super) fn renew_interval_after(&self, took: Duration) -> Duration {
        let late = took.saturating_sub(self.command_bound() / 4);
        if late.is_zero() || planted!(AsOftenWhenBehind) {
            return self.renew_interval;
        }
        // Half of the time that is left for answers stays: it may have been a pause, and another may come.
        let spare = self.term().saturating_sub(self.renew_interval);
        self.renew_interval + (late * 2).min(spare / 2)
    }

    /// How long a record whose writer had `record_ttl` must be watched unchanged.
    pub fn ripe_after(&self, record_ttl: Duration) -> Duration {
        if planted!(NoDriftMargins) {
            return self.ttl.max(record_ttl);
        }
        let longest = if planted!(WatchOwnTtl) {
            self.ttl
        } else {
            self.ttl.max(record_ttl)
        };
        longest * 102 / 100 + DRIFT_CONSTANT
    }

    /// From one poll of a standby to the next.
    pub fn poll_interval(&self, messages_arrive: bool) -> Duration {
        if messages_arrive {
            self.ttl / 2
        } else {
            self.ttl / 3
        }
    }

    /// A store that has not answered a command for this long is reported as unavailable.
    pub fn unavailable_after(&self) -> Duration {
        self.ttl / 3
    }

    /// The pause before the first repetition of a failed command; it doubles up to
    /// [`Config::command_bound`].
    pub fn first_retry(&self) -> Duration {
        FIRST_RETRY.min(self.command_bound())
    }
}

/// A time that was given, for people.
pub(super) fn shown_ms(value: Duration) -> String {
    format!("{} ms", value.as_micros() as f64 / 1_000.0)
}

/// A ttl that is refused: one that is likely to have been meant as seconds is asked about.
pub(super) fn shown_ttl(value: Duration) -> String {
    match value.as_secs() == 0 && value.subsec_millis() <= 60 {
        true => format!(
            "{} (seconds? That would be {})",
            shown_ms(value),
            value.as_micros()
        ),
        false => shown_ms(value),
    }
}

/// How long the event loop that a lease serves may stand still, where nobody says otherwise.
pub fn default_stall_timeout(ttl: Duration) -> Duration {
    MIN_DEFAULT_STALL_TIMEOUT.max(ttl * 12)
}

/// Nearer to the ttl, a loop that is only busy would lose what the renewals keep for it.
pub fn check_stall_timeout(ttl: Duration, timeout: Option<Duration>) -> Result<(), ConfigError> {
    match timeout {
        Some(timeout) if !(ttl * 2..=MAX_STALL_TIMEOUT).contains(&timeout) => Err(ConfigError {
            field: "stallTimeout",
            value: format!("{} ms", timeout.as_millis()),
            rule: format!(
                "false, or from {} (twice the ttl) to {} ms",
                (ttl * 2).as_millis(),
                MAX_STALL_TIMEOUT.as_millis()
            ),
        }),
        _ => Ok(()),
    }
}

/// What is left of a ttl for a server that holds the lease, when clocks run at different speeds
/// (R5 of docs/protocol.md).
pub(super) fn drift_margins(ttl: Duration) -> Duration {
    if planted!(NoDriftMargins) {
        return ttl;
    }
    (ttl * 98 / 100).saturating_sub(DRIFT_CONSTANT)
}

/// How long before the window's end a lease is not held any more: for work in flight to stop.
pub(super) fn step_down_margin(ttl: Duration) -> Duration {
    if planted!(NoStepDownMargin) {
        return Duration::ZERO;
    }
    ttl / 5
}

/// Taken off the window and added to the watch, beside 2 %: scheduling and rounding.
const DRIFT_CONSTANT: Duration = Duration::from_millis(20);
/// After a term that was longer, failed work counts as the first.
pub(super) const LONGEST_REST: Duration = Duration::from_secs(60);
/// What is sent in one go keeps the server from others for less than that.
const LONGEST_GRID: Duration = Duration::from_millis(50);
const FIRST_RETRY: Duration = Duration::from_millis(50);
pub(super) const MIN_RENEW_INTERVAL: Duration = Duration::from_millis(50);
const MIN_ESTABLISH_TIMEOUT: Duration = Duration::from_millis(100);
const MAX_ESTABLISH_TIMEOUT: Duration = Duration::from_secs(3600);
const MIN_DEFAULT_STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Twelve times the longest ttl, which is its default there.
const MAX_STALL_TIMEOUT: Duration = Duration::from_secs(12 * 86_400);
