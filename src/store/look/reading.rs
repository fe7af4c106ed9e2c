//! What Redis answers to a look, read without trust: anybody may have put anything there.

use redis::{RedisError, Value};

use super::super::error::{classify, server_words};
use super::super::{LeaseLook, RecordLook, RosterLook};
use crate::election::{Failure, Token};

/// Whoever may not read the roster sees the rest.
pub(super) fn roster_of(
    standbys: Result<Value, RedisError>,
    count: Result<Value, RedisError>,
) -> Result<RosterLook, Failure> {
    let (standbys, count) = match (standbys, count) {
        (Ok(standbys), Ok(count)) => (standbys, count),
        (Err(error), _) | (_, Err(error)) => {
            let failure = classify(&error).failure;
            return match failure {
                Failure::Unknown { .. } => Err(failure),
                _ => Ok(RosterLook::Refused {
                    why: server_words(&error),
                }),
            };
        }
    };
    let Value::Int(count) = count else {
        return Err(unreadable());
    };
    Ok(RosterLook::Read {
        standbys: scored(&standbys).ok_or_else(unreadable)?,
        count: u64::try_from(count).unwrap_or_default(),
    })
}

/// Members with their scores: pairs in RESP3, one list in RESP2.
fn scored(value: &Value) -> Option<Vec<(String, u64)>> {
    let Value::Array(items) = value else {
        return None;
    };
    let paired = |member: &Value, score: &Value| Some((text(member)?, score_of(score)?));
    match items.first() {
        Some(Value::Array(_)) => items
            .iter()
            .map(|item| match item {
                Value::Array(pair) => paired(pair.first()?, pair.get(1)?),
                _ => None,
            })
            .collect(),
        _ => items
            .chunks(2)
            .map(|pair| paired(pair.first()?, pair.get(1)?))
            .collect(),
    }
}

/// Also of a score that nobody of ours wrote.
fn score_of(value: &Value) -> Option<u64> {
    let score = match value {
        Value::Double(score) => *score,
        other => text(other)?.parse::<f64>().ok()?,
    };
    Some(score as u64)
}

pub(super) fn scan_of(value: &Value) -> Option<(u64, Vec<String>)> {
    let Value::Array(parts) = value else {
        return None;
    };
    let [next, Value::Array(keys)] = &parts[..] else {
        return None;
    };
    // A name of ours is text.
    let keys = keys.iter().filter_map(|key| match key {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    });
    Some((text(next)?.parse().ok()?, keys.collect()))
}

/// `<token> <identity> <ttl>`, with what stands behind it ("scripts/run/acquire.lua").
pub(super) fn lease_of(key: &str, value: &Value, left: &Value) -> Result<LeaseLook, Failure> {
    let value = text(value).unwrap_or_default();
    let mut parts = value.split(' ');
    let token = parts.next().and_then(number);
    let stage = match parts.nth(2) {
        None => "held",
        Some("pending") => "pending",
        Some(_) => "released",
    };
    let left = match left {
        Value::Int(left) => u64::try_from(*left).ok(),
        _ => None,
    };
    let odd = || Failure::Denied {
        cause: format!("{key} is not a lease of this package").into(),
    };
    let token = token.ok_or_else(odd)?;
    Ok(LeaseLook { token, stage, left })
}

/// What candidates would make of the record, and what is there for people.
pub(super) fn record_of(key: &str, value: &Value) -> Result<RecordLook, Failure> {
    let Value::Array(fields) = value else {
        return Err(unreadable());
    };
    let fields: Vec<Option<String>> = fields.iter().map(text).collect();
    let fields: [Option<String>; FIELDS.len()] = fields.try_into().map_err(|_| unreadable())?;
    if fields.iter().all(Option::is_none) {
        return Ok(RecordLook::Missing);
    }
    let [
        v,
        token,
        identity,
        released,
        ttl,
        at,
        since,
        server,
        asked,
        log,
    ] = fields;
    let denied = |cause: String| {
        Err(Failure::Denied {
            cause: cause.into(),
        })
    };
    if let Some(v) = v
        && v.parse().is_ok_and(|version: f64| version > PROTOCOL)
    {
        return denied(format!("{key} was written by a newer release: v is {v}"));
    }
    let read = |field: &Option<String>| field.as_deref().and_then(number);
    let (Some(ttl), Some(at), Some(identity)) = (read(&ttl), read(&at), identity) else {
        return Ok(RecordLook::Unreadable);
    };
    let held = match (released.as_deref(), &*identity) {
        (Some("0"), "") | (Some("1"), _) => false,
        (Some("0"), _) => true,
        _ => return Ok(RecordLook::Unreadable),
    };
    let (Some(token), false) = (read(&token), ttl == 0) else {
        return Ok(RecordLook::Unreadable);
    };
    Ok(RecordLook::Record {
        token,
        held,
        ttl,
        at,
        // Empty in one that nobody was granted.
        since: read(&since).unwrap_or_default(),
        server: server.unwrap_or_default(),
        asked: read(&asked) == Some(token),
        log: log.unwrap_or_default(),
    })
}

/// An error that is about one key alone shows there; any other ends the look.
pub(super) fn passing(
    answer: Result<Value, RedisError>,
) -> Result<Result<Value, Failure>, Failure> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(error) => match classify(&error).failure {
            failure @ Failure::Unknown { .. } => Err(failure),
            failure => Ok(Err(failure)),
        },
    }
}

pub(super) fn answered(answer: Result<Value, RedisError>) -> Result<Value, Failure> {
    answer.map_err(|error| classify(&error).failure)
}

/// Digits alone, and no number that JavaScript does not represent exactly.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok())?;
    number.filter(|number| *number <= Token::MAX.get())
}

pub(super) fn micros(time: &Value) -> Result<u64, Failure> {
    let part = |part: &Value| text(part)?.parse::<u64>().ok();
    let read = match time {
        Value::Array(parts) => parts
            .first()
            .and_then(part)
            .zip(parts.get(1).and_then(part)),
        _ => None,
    };
    let (seconds, micros) = read.ok_or_else(unreadable)?;
    Ok(seconds.saturating_mul(1_000_000).saturating_add(micros))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

pub(super) fn unreadable() -> Failure {
    Failure::Unknown {
        cause: "the answer cannot be read: not a Redis server?".into(),
    }
}

/// What is read of a record, in this order. Not all: anybody may have put any number there.
pub(super) const FIELDS: [&str; 10] = [
    "v", "token", "identity", "released", "ttl", "at", "since", "server", "asked", "log",
];
const PROTOCOL: f64 = 1.0;
