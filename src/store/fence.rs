//! What a resource is asked about a token, in Redis.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::Value;

use super::words::escaped;
use crate::election::{Failure, Token};

/// Asks whether a token is still the newest that a resource has seen from its lease.
#[derive(Clone, PartialEq, Eq)]
pub struct FenceRequest {
    pub resource: Arc<str>,
    /// By which name the resource knows the lease: tokens of different leases do not compare.
    pub lease: Arc<str>,
    pub token: Token,
    /// Applied in the same step if the token passes: the command's name and its arguments.
    pub command: Option<Vec<Vec<u8>>>,
    /// How long nothing may move on the connection while the answer is waited for.
    pub bound: Duration,
}

// The arguments of a command are the caller's own business.
impl fmt::Debug for FenceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FenceRequest")
            .field("resource", &self.resource)
            .field("lease", &self.lease)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// How the store answers a [`FenceRequest`].
#[derive(Clone, Debug, PartialEq)]
pub enum FenceOutcome<A = CommandReply> {
    /// No newer token has been seen, and this one now has; with what the command returned.
    Passed(A),
    /// Nothing was applied.
    Stale { highest: Token },
    /// The token passed, and the command failed by itself, in these words.
    Failed { words: Arc<str> },
    /// The command can never be applied here; nothing was sent.
    Unfit { why: Arc<str> },
}

impl<A> FenceOutcome<A> {
    /// The same, with the answer as `to` has it.
    pub fn map<B>(self, to: impl FnOnce(A) -> B) -> FenceOutcome<B> {
        match self {
            FenceOutcome::Passed(answer) => FenceOutcome::Passed(to(answer)),
            FenceOutcome::Stale { highest } => FenceOutcome::Stale { highest },
            FenceOutcome::Failed { words } => FenceOutcome::Failed { words },
            FenceOutcome::Unfit { why } => FenceOutcome::Unfit { why },
        }
    }
}

/// What a command of the caller's returned.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandReply {
    Nothing,
    Integer(i64),
    Bytes(Vec<u8>),
    List(Vec<CommandReply>),
}

/// The most arguments of a command, its name among them. Lua unpacks less than 8,000.
pub const MAX_ARGUMENTS: usize = 7_000;

/// The most bytes of one argument: Redis closes the connection at more (`proto-max-bulk-len`).
pub const MAX_ARGUMENT_BYTES: usize = 512 << 20;

/// The most bytes of all arguments together, a little below what Redis takes in unread
/// (`client-query-buffer-limit`, 1 GB).
pub const MAX_COMMAND_BYTES: usize = (1 << 30) - (1 << 20);

/// The arguments of the EVAL that asks, from the script's lease on; the caller's command comes behind them.
pub(super) fn script_arguments(request: &FenceRequest, connection: u64) -> [String; 3] {
    [
        request.lease.to_string(),
        request.token.to_string(),
        match connection {
            0 => String::new(),
            number => format!("{}:{number}", request.token),
        },
    ]
}

pub(super) fn decode_outcome(value: Value) -> Result<FenceOutcome, Failure> {
    parse_outcome(value).unwrap_or_else(|| {
        Err(Failure::Unknown {
            cause: "the answer is not one of this package's scripts".into(),
        })
    })
}

fn parse_outcome(value: Value) -> Option<Result<FenceOutcome, Failure>> {
    let Value::Array(fields) = value else {
        return None;
    };
    let [Value::BulkString(outcome), rest] = <[Value; 2]>::try_from(fields).ok()? else {
        return None;
    };
    if outcome == b"passed" {
        return Some(Ok(match answer(rest)? {
            answer if is_exact(&answer) => FenceOutcome::Passed(answer),
            _ => FenceOutcome::Failed {
                words: ROUNDED.into(),
            },
        }));
    }
    let Value::BulkString(said) = rest else {
        return None;
    };
    let said = String::from_utf8_lossy(&said);
    Some(match &outcome[..] {
        b"integer" => Ok(FenceOutcome::Passed(CommandReply::Integer(
            said.parse().ok()?,
        ))),
        b"stale" => Ok(FenceOutcome::Stale {
            highest: Token::new(said.parse().ok()?),
        }),
        b"failed" => Ok(FenceOutcome::Failed {
            words: escaped(said.trim_end()).into(),
        }),
        b"denied" => Err(Failure::Denied {
            cause: said.as_ref().into(),
        }),
        b"late" => Err(Failure::Refused {
            cause: "a command of a later connection came first".into(),
        }),
        _ => return None,
    })
}

/// Within a script every reply is one of RESP2.
fn answer(value: Value) -> Option<CommandReply> {
    Some(match value {
        Value::Nil => CommandReply::Nothing,
        Value::Int(integer) => CommandReply::Integer(integer),
        Value::BulkString(bytes) => CommandReply::Bytes(bytes),
        Value::SimpleString(text) => CommandReply::Bytes(text.into_bytes()),
        Value::Okay => CommandReply::Bytes(b"OK".to_vec()),
        Value::Array(values) => {
            CommandReply::List(values.into_iter().map(answer).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Lua has no integers: those beyond 2^53 - 1 may have been rounded on their way through the script.
fn is_exact(answer: &CommandReply) -> bool {
    match answer {
        CommandReply::Integer(integer) => integer.unsigned_abs() <= Token::MAX.get(),
        CommandReply::List(answers) => answers.iter().all(is_exact),
        CommandReply::Nothing | CommandReply::Bytes(_) => true,
    }
}

const ROUNDED: &str = "ERR the command was applied, but its reply has an integer beyond 2^53 - 1, \
                       which a script of Redis rounds";

/// Without comments and indentation: it is sent with every call.
pub(super) static FENCE: LazyLock<String> = LazyLock::new(|| {
    let lines = include_str!("scripts/fence.lua").lines().map(str::trim);
    let code = lines.filter(|line| !line.is_empty() && !line.starts_with("--"));
    code.collect::<Vec<_>>().join("\n")
});

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn pair(outcome: &str, rest: Value) -> Value {
        Value::Array(vec![bytes(outcome), rest])
    }

    #[test]
    fn a_reply_of_any_depth_is_passed_on() {
        let nested = Value::Array(vec![
            Value::Nil,
            Value::Int(-3),
            Value::Array(vec![bytes("a"), Value::SimpleString("QUEUED".into())]),
            Value::BulkString(vec![0xff, 0]),
            Value::Okay,
        ]);
        let expected = CommandReply::List(vec![
            CommandReply::Nothing,
            CommandReply::Integer(-3),
            CommandReply::List(vec![
                CommandReply::Bytes(b"a".to_vec()),
                CommandReply::Bytes(b"QUEUED".to_vec()),
            ]),
            CommandReply::Bytes(vec![0xff, 0]),
            CommandReply::Bytes(b"OK".to_vec()),
        ]);
        assert_eq!(
            decode_outcome(pair("passed", nested)),
            Ok(FenceOutcome::Passed(expected))
        );
    }

    #[test]
    fn the_commands_own_error_is_no_failure_of_the_store() {
        let words = "READONLY of the command's own\r\n";
        assert_eq!(
            decode_outcome(pair("failed", bytes(words))),
            Ok(FenceOutcome::Failed {
                words: "READONLY of the command's own".into()
            })
        );
    }

    #[test]
    fn an_integer_is_passed_on_exactly_or_not_at_all() {
        let exact = decode_outcome(pair("integer", bytes("-9223372036854775808")));
        let smallest = CommandReply::Integer(i64::MIN);
        assert_eq!(exact, Ok(FenceOutcome::Passed(smallest)));
        let max = Token::MAX.get().cast_signed();
        for (integer, passes) in [
            (max, true),
            (-max, true),
            (max + 1, false),
            (i64::MIN, false),
        ] {
            for reply in [
                Value::Int(integer),
                Value::Array(vec![Value::Array(vec![Value::Int(integer)])]),
            ] {
                let outcome = decode_outcome(pair("passed", reply)).unwrap();
                let passed = matches!(outcome, FenceOutcome::Passed(_));
                assert_eq!(passed, passes, "{integer}: {outcome:?}");
            }
        }
    }

    #[test]
    fn whatever_else_is_said_is_an_unknown_outcome() {
        for odd in [
            Value::Nil,
            Value::Int(1),
            Value::Array(vec![]),
            Value::Array(vec![bytes("passed")]),
            pair("granted", bytes("1")),
            pair("stale", Value::Int(1)),
            pair("stale", bytes("99999999999999999999999")),
            pair("integer", bytes("9223372036854775808")),
            pair("passed", Value::Double(1.5)),
            pair("passed", Value::Array(vec![Value::Boolean(true)])),
        ] {
            let outcome = decode_outcome(odd.clone());
            assert!(matches!(outcome, Err(Failure::Unknown { .. })), "{odd:?}");
        }
    }
}
