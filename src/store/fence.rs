//! What a resource is asked about a token, in Redis.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::Value;

use super::keys::fence_key;
use super::script::{Invocation, Script};
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
    /// How long the answer may take.
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
pub enum FenceOutcome {
    /// No newer token has been seen, and this one now has; with what the command returned.
    Passed(Answer),
    /// Nothing was applied.
    Stale { highest: Token },
    /// The token passed, and the command failed by itself, in these words.
    Failed { words: Arc<str> },
    /// The command can never be applied here; nothing was sent.
    Unfit { why: Arc<str> },
}

/// What a command of the caller's returned.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Nothing,
    Integer(i64),
    Bytes(Vec<u8>),
    List(Vec<Answer>),
}

/// The most arguments of a command, its name among them. Lua unpacks less than 8,000.
pub const MAX_ARGUMENTS: usize = 7_000;

pub(super) fn invocation(key_prefix: &str, request: &FenceRequest) -> Invocation {
    let arguments = [request.lease.to_string(), request.token.to_string()];
    let keys = vec![fence_key(key_prefix, &request.resource)];
    let command = request.command.as_deref().unwrap_or_default();
    Invocation::new(&FENCE, keys, arguments).with_own_command(command)
}

pub(super) fn decode_outcome(value: &Value) -> Result<FenceOutcome, Failure> {
    parse_outcome(value).unwrap_or_else(|| {
        Err(Failure::Unknown {
            cause: "the answer is not one of this package's scripts".into(),
        })
    })
}

fn parse_outcome(value: &Value) -> Option<Result<FenceOutcome, Failure>> {
    let Value::Array(fields) = value else {
        return None;
    };
    let [Value::BulkString(outcome), rest] = &fields[..] else {
        return None;
    };
    if outcome == b"passed" {
        return Some(Ok(FenceOutcome::Passed(answer(rest)?)));
    }
    let Value::BulkString(said) = rest else {
        return None;
    };
    let said = String::from_utf8_lossy(said);
    Some(match &outcome[..] {
        b"stale" => Ok(FenceOutcome::Stale {
            // One beyond 64 bits is above all others too.
            highest: Token::new(said.parse().unwrap_or(u64::MAX)),
        }),
        b"failed" => Ok(FenceOutcome::Failed {
            words: escaped(said.trim_end()).into(),
        }),
        b"unfit" => Ok(FenceOutcome::Unfit {
            why: said.as_ref().into(),
        }),
        b"denied" => Err(Failure::Denied {
            cause: said.as_ref().into(),
        }),
        _ => return None,
    })
}

/// Within a script every reply is one of RESP2.
fn answer(value: &Value) -> Option<Answer> {
    Some(match value {
        Value::Nil => Answer::Nothing,
        Value::Int(integer) => Answer::Integer(*integer),
        Value::BulkString(bytes) => Answer::Bytes(bytes.clone()),
        Value::SimpleString(text) => Answer::Bytes(text.clone().into_bytes()),
        Value::Okay => Answer::Bytes(b"OK".to_vec()),
        Value::Array(values) => Answer::List(values.iter().map(answer).collect::<Option<_>>()?),
        _ => return None,
    })
}

static FENCE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/fence.lua")));

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
        let expected = Answer::List(vec![
            Answer::Nothing,
            Answer::Integer(-3),
            Answer::List(vec![
                Answer::Bytes(b"a".to_vec()),
                Answer::Bytes(b"QUEUED".to_vec()),
            ]),
            Answer::Bytes(vec![0xff, 0]),
            Answer::Bytes(b"OK".to_vec()),
        ]);
        assert_eq!(
            decode_outcome(&pair("passed", nested)),
            Ok(FenceOutcome::Passed(expected))
        );
    }

    #[test]
    fn the_commands_own_error_is_no_failure_of_the_store() {
        let words = "READONLY of the command's own\r\n";
        assert_eq!(
            decode_outcome(&pair("failed", bytes(words))),
            Ok(FenceOutcome::Failed {
                words: "READONLY of the command's own".into()
            })
        );
    }

    #[test]
    fn a_token_beyond_64_bits_is_above_all_others() {
        let stale = decode_outcome(&pair("stale", bytes("99999999999999999999999")));
        let highest = Token::new(u64::MAX);
        assert_eq!(stale, Ok(FenceOutcome::Stale { highest }));
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
            pair("passed", Value::Double(1.5)),
            pair("passed", Value::Array(vec![Value::Boolean(true)])),
        ] {
            let outcome = decode_outcome(&odd);
            assert!(matches!(outcome, Err(Failure::Unknown { .. })), "{odd:?}");
        }
    }
}
