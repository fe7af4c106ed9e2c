//! Reads the options of an election.

use std::process;
use std::time::Duration;

use napi::Env;

use super::error::{PrimaryLeaseError, Result};
use super::given::{Given, Limit};
use super::js::Value;
use crate::election::{Config, DEFAULT_TTL, check_name, compose};

/// What a campaign is started with, beside its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub config: Config,
    pub exit_timeout: Duration,
    pub scope: Option<String>,
    /// Of the election: the prefix, with the scope where there is one.
    pub name: String,
    pub server_id: String,
}

const DEFAULT_EXIT_TIMEOUT: Duration = Duration::from_millis(500);
const MAX_EXIT_TIMEOUT: f64 = 10_000.0;
const KNOWN: [&str; 8] = [
    "ttl",
    "renewInterval",
    "establishTimeout",
    "exitTimeout",
    "stallTimeout",
    "scope",
    "serverId",
    "eagerStart",
];

impl Options {
    pub fn read(env: &Env, prefix: &str, given: Value) -> Result<Options> {
        check_name("prefix", prefix)?;
        let given = Given::new(env, given, &KNOWN)?;
        let mut config = Config::new(given.millis("ttl")?.unwrap_or(DEFAULT_TTL));
        if let Some(interval) = given.millis("renewInterval")? {
            config.renew_interval = interval;
        }
        if let Some(timeout) = given.millis("establishTimeout")? {
            config.establish_timeout = timeout;
        }
        match given.millis_or_false("stallTimeout")? {
            Some(Limit::Never) => config.stall_timeout = None,
            Some(Limit::After(timeout)) => config.stall_timeout = Some(timeout),
            None => {}
        }
        config.eager_start = given.boolean("eagerStart")?.unwrap_or(false);
        config.check()?;
        let exit_timeout = exit_timeout(&given)?;
        let scope = given.text("scope")?;
        let name = match &scope {
            Some(scope) => {
                check_name("scope", scope)?;
                compose("prefix with its scope", &[prefix, scope])?
            }
            None => compose("prefix", &[prefix])?,
        };
        let server_id = given.text("serverId")?.unwrap_or_else(default_server_id);
        check_server_id(&server_id)?;
        Ok(Options {
            config,
            exit_timeout,
            scope,
            name,
            server_id,
        })
    }

    /// The first option in which another call differs, with both values.
    pub fn difference(&self, other: &Options) -> Option<String> {
        let (a, b) = (&self.config, &other.config);
        let ms = |duration: Duration| format!("{} ms", duration.as_secs_f64() * 1_000.0);
        let limit = |timeout: Option<Duration>| timeout.map_or("false".into(), ms);
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
                format!("{:?}", self.scope.as_deref().unwrap_or_default()),
                format!("{:?}", other.scope.as_deref().unwrap_or_default()),
            ),
            (
                "serverId",
                format!("{:?}", self.server_id),
                format!("{:?}", other.server_id),
            ),
            (
                "eagerStart",
                a.eager_start.to_string(),
                b.eager_start.to_string(),
            ),
        ];
        pairs
            .into_iter()
            .find(|(_, here, there)| here != there)
            .map(|(field, here, there)| format!("{field} is {here} there, got {there}"))
    }
}

/// How long the end of the process may wait for a release.
pub fn exit_timeout(given: &Given) -> Result<Duration> {
    let timeout = given.millis("exitTimeout")?.unwrap_or(DEFAULT_EXIT_TIMEOUT);
    if timeout.as_millis() as f64 > MAX_EXIT_TIMEOUT {
        return Err(PrimaryLeaseError::invalid(format!(
            "exitTimeout must be from 0 to {MAX_EXIT_TIMEOUT} ms, got {} ms",
            timeout.as_millis()
        )));
    }
    Ok(timeout)
}

fn check_server_id(server_id: &str) -> Result<()> {
    let length = server_id.chars().count();
    if (1..=200).contains(&length) && !server_id.chars().any(char::is_control) {
        return Ok(());
    }
    let shown: String = server_id.chars().take(40).collect();
    Err(PrimaryLeaseError::invalid(format!(
        "serverId must be 1 to 200 characters without control characters, got {shown:?} \
         ({length} characters)"
    )))
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
