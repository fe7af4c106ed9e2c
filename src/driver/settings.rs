//! What a campaign or a run is started with, from what a caller gave: every default and every range that is
//! no rule of the lease itself is decided here.

use std::process;
use std::time::Duration;

use crate::election::run::{DEFAULT_TICK_MEMORY, RunConfig, Tick};
use crate::election::{
    Config, ConfigError, DEFAULT_TTL, PRIORITIES, Rank, check_stall_timeout, default_stall_timeout,
    election_name,
};

/// What a caller gave for a campaign. `Duration::MAX` is without end.
#[derive(Clone, Debug, Default)]
pub struct CampaignOptions {
    pub ttl: Option<Duration>,
    pub renew_interval: Option<Duration>,
    pub establish_timeout: Option<Duration>,
    pub exit_timeout: Option<Duration>,
    pub stall_timeout: Option<Duration>,
    pub scope: Option<String>,
    pub server_id: Option<String>,
    pub eager_start: bool,
    pub priority: Option<f64>,
    pub version: Option<String>,
    /// The version as a text that sorts as versions do.
    pub version_order: String,
}

/// What a campaign is started with, beside its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignSettings {
    pub config: Config,
    /// How long the end of the process may wait for the release.
    pub exit_timeout: Duration,
    pub scope: Option<String>,
    pub server_id: String,
    pub priority: i16,
    pub version: Option<String>,
    /// The name of the election.
    pub name: String,
}

/// What a caller gave for a run. `Duration::MAX` is without end.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    pub ttl: Option<Duration>,
    pub min_hold: Option<Duration>,
    pub wait: Option<Duration>,
    pub acquire_timeout: Option<Duration>,
    pub max_run: Option<Duration>,
    pub stall_timeout: Option<Duration>,
    pub exit_timeout: Option<Duration>,
    pub tick_memory: Option<Duration>,
    /// Whether the end of a run waits until its release is confirmed: true where nothing is said.
    pub await_release: Option<bool>,
    pub tick: Option<RunTick>,
    /// Of a `LeaderRunner`, which has defaults of its own.
    pub of_runner: bool,
}

/// What names the tick of a run.
#[derive(Clone, Copy, Debug)]
pub enum RunTick {
    /// Its scheduled time in ms since 1970, by the caller's word; it may be when the schedule fired.
    Given(i64),
    /// Its scheduled time, worked out from the schedule itself.
    Found(i64),
    /// The shortest time between two ticks of its schedule.
    Every(Duration),
}

/// What the lease of a run is asked for with, beside its store and its resource.
#[derive(Clone, Debug)]
pub struct RunSettings {
    pub config: RunConfig,
    /// How long the run may take.
    pub max_run: Option<Duration>,
    /// How long the event loop may stand still.
    pub stall_timeout: Option<Duration>,
    /// How long the end of the process may wait for the release.
    pub exit_timeout: Duration,
}

const DEFAULT_EXIT_TIMEOUT: Duration = Duration::from_millis(500);
const MAX_EXIT_TIMEOUT: Duration = Duration::from_secs(10);

impl CampaignSettings {
    /// # Errors
    ///
    /// With the first option that is outside its range.
    pub fn new(prefix: &str, options: CampaignOptions) -> Result<Self, ConfigError> {
        let name = election_name(prefix, options.scope.as_deref())?;
        let mut config = Config::new(options.ttl.unwrap_or(DEFAULT_TTL));
        let given = |given: Option<Duration>, default| given.unwrap_or(default);
        config.renew_interval = given(options.renew_interval, config.renew_interval);
        config.establish_timeout = given(options.establish_timeout, config.establish_timeout);
        config.stall_timeout = stall_timeout(config.ttl, options.stall_timeout);
        config.eager_start = options.eager_start;
        let priority = priority(options.priority)?;
        config.rank = rank(priority, options.version.as_deref(), &options.version_order)?;
        config.check()?;
        let exit_timeout = exit_timeout(options.exit_timeout)?;
        let server_id = options.server_id.unwrap_or_else(default_server_id);
        check_server_id(&server_id)?;
        Ok(CampaignSettings {
            config,
            exit_timeout,
            scope: options.scope,
            server_id,
            priority,
            version: options.version,
            name,
        })
    }

    /// How this server stands in the roster since `began`, in microseconds since 1970.
    pub fn roster_entry(&self, began: u64) -> String {
        let version = self.version.as_deref().unwrap_or("-");
        format!("{began} {} {version} {}", self.priority, self.server_id)
    }

    /// The first option in which another call differs, with both values.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let (a, b) = (&self.config, &other.config);
        let limit = |timeout: Option<Duration>| timeout.map_or("false".into(), ms);
        let text = |text: Option<&str>| format!("{:?}", text.unwrap_or_default());
        let pairs = [
            ("ttl", ms(a.ttl), ms(b.ttl)),
            ("renewInterval", ms(a.renew_interval), ms(b.renew_interval)),
            (
                "establishTimeout",
                ms(a.establish_timeout),
                ms(b.establish_timeout),
            ),
            ("exitTimeout", ms(self.exit_timeout), ms(other.exit_timeout)),
            (
                "stallTimeout",
                limit(a.stall_timeout),
                limit(b.stall_timeout),
            ),
            (
                "scope",
                text(self.scope.as_deref()),
                text(other.scope.as_deref()),
            ),
            (
                "serverId",
                text(Some(&self.server_id)),
                text(Some(&other.server_id)),
            ),
            (
                "eagerStart",
                a.eager_start.to_string(),
                b.eager_start.to_string(),
            ),
            (
                "priority",
                self.priority.to_string(),
                other.priority.to_string(),
            ),
            (
                "version",
                text(self.version.as_deref()),
                text(other.version.as_deref()),
            ),
        ];
        pairs
            .into_iter()
            .find(|(_, here, there)| here != there)
            .map(|(field, here, there)| format!("{field} is {here} there, got {there}"))
    }
}

impl RunSettings {
    /// # Errors
    ///
    /// With the first option that is outside its range.
    pub fn new(options: &RunOptions) -> Result<Self, ConfigError> {
        let ttl = options.ttl.unwrap_or(DEFAULT_TTL);
        let (mut config, ttl_field) = match options.of_runner {
            true => (RunConfig::of_runner(ttl), "lockTTL"),
            false => (RunConfig::new(ttl), "ttl"),
        };
        let given = |given: Option<Duration>, default| given.unwrap_or(default);
        // The name alone tells the late from the next: holding on would refuse ticks that come quickly.
        if let Some(RunTick::Found(_) | RunTick::Every(_)) = options.tick {
            config.min_hold = Duration::ZERO;
        }
        config.min_hold = given(options.min_hold, config.min_hold);
        config.wait = given(options.wait, config.wait);
        config.acquire_timeout = given(options.acquire_timeout, config.acquire_timeout);
        config.bounded = options.max_run.is_some();
        config.await_release = options.await_release.unwrap_or(config.await_release);
        let memory = given(options.tick_memory, DEFAULT_TICK_MEMORY);
        config.tick = options.tick.map(|tick| match tick {
            RunTick::Given(at) | RunTick::Found(at) => Tick::at(at, memory),
            RunTick::Every(period) => Tick::every(period),
        });
        config.check(ttl_field)?;
        if options.max_run.is_some_and(|max_run| max_run.is_zero()) {
            return Err(refuse("maxRun", "0".into(), "above 0 ms".into()));
        }
        let stall_timeout = stall_timeout(ttl, options.stall_timeout);
        check_stall_timeout(ttl, stall_timeout)?;
        Ok(RunSettings {
            config,
            max_run: options.max_run,
            stall_timeout,
            exit_timeout: exit_timeout(options.exit_timeout)?,
        })
    }
}

fn stall_timeout(ttl: Duration, given: Option<Duration>) -> Option<Duration> {
    match given {
        Some(Duration::MAX) => None,
        Some(timeout) => Some(timeout),
        None => Some(default_stall_timeout(ttl)),
    }
}

fn exit_timeout(given: Option<Duration>) -> Result<Duration, ConfigError> {
    let timeout = given.unwrap_or(DEFAULT_EXIT_TIMEOUT);
    if timeout <= MAX_EXIT_TIMEOUT {
        return Ok(timeout);
    }
    let rule = format!("from 0 to {}", ms(MAX_EXIT_TIMEOUT));
    Err(refuse("exitTimeout", ms(timeout), rule))
}

fn priority(given: Option<f64>) -> Result<i16, ConfigError> {
    let given = given.unwrap_or(0.0);
    if given.fract() == 0.0 && given.abs() <= f64::from(PRIORITIES) {
        return Ok(given as i16);
    }
    let rule = format!("an integer from -{PRIORITIES} to {PRIORITIES}");
    Err(refuse("priority", given.to_string(), rule))
}

/// A version has no spaces, or it could not stand in the roster.
fn rank(priority: i16, version: Option<&str>, order: &str) -> Result<Rank, ConfigError> {
    let version = version.unwrap_or_default();
    let plain = !version.contains(|c: char| c.is_whitespace() || c.is_control());
    let rank = Rank::new(priority, order).ok().filter(|_| plain);
    rank.ok_or_else(|| {
        let shown: String = version.chars().take(40).collect();
        let rule = "a semantic version of at most 64 characters, like 1.4.0 or 2.0.0-rc.1";
        refuse("version", format!("{shown:?}"), rule.into())
    })
}

fn check_server_id(server_id: &str) -> Result<(), ConfigError> {
    let length = server_id.chars().count();
    if (1..=200).contains(&length) && !server_id.chars().any(char::is_control) {
        return Ok(());
    }
    let shown: String = server_id.chars().take(40).collect();
    Err(refuse(
        "serverId",
        format!("{shown:?} ({length} characters)"),
        "1 to 200 characters without control characters".into(),
    ))
}

fn default_server_id() -> String {
    match std::env::var("SERVER_ID") {
        Ok(id) if !id.is_empty() => id,
        _ => format!("{}:{}", host_name(), process::id()),
    }
}

#[cfg(unix)]
fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "localhost".into())
}

fn refuse(field: &'static str, value: String, rule: String) -> ConfigError {
    ConfigError { field, value, rule }
}

fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

fn ms(duration: Duration) -> String {
    format!("{} ms", millis(duration))
}
