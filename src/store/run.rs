//! What is asked of Redis about a run lease, and what it answers.

use std::fmt::{self, Display};
use std::sync::LazyLock;
use std::time::Duration;

use redis::Value;

use super::keys::RunKeys;
use super::script::{Invocation, Script};
use crate::election::run::{RunCommand, RunOutcome, Tick};
use crate::election::{Failure, Identity, Token};

/// The script that a command calls.
pub(super) fn script(command: &RunCommand) -> &'static Script {
    match command {
        RunCommand::Acquire { .. } => &ACQUIRE,
        RunCommand::Begin { .. } => &BEGIN,
        RunCommand::Renew { .. } => &RENEW,
        RunCommand::Release { .. } => &RELEASE,
        RunCommand::Withdraw { .. } => &WITHDRAW,
    }
}

/// The call of it, written where `memory` is.
pub(super) fn invocation(keys: RunKeys, command: &RunCommand, memory: Vec<u8>) -> Invocation {
    let script = script(command);
    let tick = match command {
        RunCommand::Acquire { tick, .. } | RunCommand::Withdraw { tick, .. } => *tick,
        _ => None,
    };
    let called = match tick {
        Some(Tick { name, .. }) => {
            Invocation::with_two_keys(memory, script, keys.lease(), keys.tick(name))
        }
        None => Invocation::new(memory, script, keys.lease()),
    };
    match command {
        RunCommand::Acquire {
            identity,
            ttl,
            tick,
        } => {
            let asking = called.with(identity).with(ttl.as_millis());
            let asking = match tick {
                Some(tick) => asking.with(tick.memory.as_millis()),
                None => asking,
            };
            match tick.and_then(|tick| tick.latest) {
                Some(latest) => asking.with(latest),
                None => asking,
            }
        }
        RunCommand::Begin { identity, token } => called.with(Mine(*token, *identity)),
        RunCommand::Renew {
            identity,
            token,
            ttl,
        } => called.with(Mine(*token, *identity)).with(ttl.as_millis()),
        RunCommand::Release {
            identity,
            token,
            min_hold,
        } => called
            .with(Mine(*token, *identity))
            .with(min_hold.as_micros())
            .with(keys.releases()),
        RunCommand::Withdraw { identity, .. } => called.with(identity).with(keys.releases()),
    }
}

/// How the value of the key begins while the lease is held by this one.
struct Mine(Token, Identity);

impl Display for Mine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.0, self.1)
    }
}

/// Reads the answer of the script that a command calls, which was not sent for so long.
pub(super) fn decode_outcome(
    key: impl Display,
    command: &RunCommand,
    waited: Duration,
    value: &Value,
) -> Result<RunOutcome, Failure> {
    let unknown = || Failure::Unknown {
        cause: "the answer is not one of this package's scripts".into(),
    };
    match (command, value) {
        (RunCommand::Acquire { .. }, Value::Int(token)) => {
            let token = u64::try_from(*token).map_err(|_| unknown())?;
            let token = Token::new(token);
            if token > Token::MAX {
                return Err(Failure::Denied {
                    cause: format!("{key} was granted with the token {token}, above 2^53 - 1")
                        .into(),
                });
            }
            Ok(RunOutcome::Granted { token, waited })
        }
        (RunCommand::Acquire { .. }, Value::Array(fields)) => {
            let fields: Vec<_> = fields.iter().filter_map(text).collect();
            match fields[..] {
                ["held", millis] => {
                    let millis = millis.parse().map_err(|_| unknown())?;
                    Ok(RunOutcome::Held(Duration::from_millis(millis)))
                }
                ["pending"] => Ok(RunOutcome::Pending(None)),
                ["pending", latest] => {
                    let latest = latest.parse().map_err(|_| unknown())?;
                    Ok(RunOutcome::Pending(Some(latest)))
                }
                ["ran"] => Ok(RunOutcome::Ran),
                ["denied", why] => Err(Failure::Denied { cause: why.into() }),
                _ => Err(unknown()),
            }
        }
        (RunCommand::Begin { .. }, Value::Int(1)) => Ok(RunOutcome::Begun),
        (RunCommand::Begin { .. }, Value::Int(0)) => Ok(RunOutcome::NotMine),
        (RunCommand::Renew { .. }, Value::Int(1)) => Ok(RunOutcome::Renewed),
        (RunCommand::Renew { .. }, Value::Int(0)) => Ok(RunOutcome::Gone),
        (RunCommand::Renew { .. }, Value::Int(-1)) => Ok(RunOutcome::Superseded),
        (RunCommand::Release { .. } | RunCommand::Withdraw { .. }, Value::Int(1)) => {
            Ok(RunOutcome::Released)
        }
        (RunCommand::Release { .. } | RunCommand::Withdraw { .. }, Value::Int(0)) => {
            Ok(RunOutcome::NotMine)
        }
        _ => Err(unknown()),
    }
}

/// The message of a release: after how long the lease can be had.
pub(super) fn decode_release(payload: &[u8]) -> Option<Duration> {
    let millis = std::str::from_utf8(payload).ok()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

static ACQUIRE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/run/acquire.lua")));
static BEGIN: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/run/begin.lua")));
static RENEW: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/run/renew.lua")));
static RELEASE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/run/release.lua")));
static WITHDRAW: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/run/withdraw.lua")));

#[cfg(test)]
mod tests {
    use super::*;

    const ACQUIRE: RunCommand = RunCommand::Acquire {
        identity: Identity::new(1),
        ttl: Duration::from_secs(5),
        tick: None,
    };

    const WAITED: Duration = Duration::from_millis(7);

    fn granted(token: i64) -> Result<RunOutcome, Failure> {
        decode_outcome("lease:{mail}", &ACQUIRE, WAITED, &Value::Int(token))
    }

    #[test]
    fn a_token_above_the_largest_safe_integer_is_none() {
        let largest = Token::MAX.get() as i64;
        let outcome = RunOutcome::Granted {
            token: Token::MAX,
            waited: WAITED,
        };
        assert_eq!(granted(largest), Ok(outcome));
        for beyond in [largest + 1, i64::MAX] {
            let cause =
                format!("lease:{{mail}} was granted with the token {beyond}, above 2^53 - 1");
            assert_eq!(
                granted(beyond),
                Err(Failure::Denied {
                    cause: cause.into()
                })
            );
        }
        assert!(matches!(granted(-1), Err(Failure::Unknown { .. })));
    }
}
