//! Looks at elections and run leases without taking part in them: plain reads over a connection of its own, which
//! is closed when they are answered. No script: a user who may only read can look.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all, join4};
use redis::{Cmd, RedisError, Value, cmd};
use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, Unopened};
use super::deadline::Deadline;
use super::error::{classify, no_answer, server_words};
use super::keys::{Keys, Listed, RunKeys, names_of};
use super::route::Route;
use super::socket::Progress;
use super::words::told;
use super::{
    Answering, ElectionLook, LeaseLook, ListLook, ListedLook, RecordLook, RedisSource, RosterLook,
};
use crate::election::{Failure, Token};

/// Looks at one Redis.
#[derive(Debug)]
pub(super) struct Looks {
    source: Arc<RedisSource>,
    route: Route,
}

impl Looks {
    pub fn new(source: Arc<RedisSource>, route: Route) -> Self {
        Looks { source, route }
    }

    pub fn election(&self, name: &str, within: Option<Duration>) -> Answering<ElectionLook> {
        let keys = Keys::new(self.source.place(), name);
        let (record, standbys) = (keys.record().to_string(), keys.standbys().to_string());
        let looking = self.begin(within);
        Box::pin(async move {
            let connection = looking.connect().await?;
            looking
                .bound(look_at(&connection, &record, &standbys))
                .await
        })
    }

    pub fn list(&self, cursor: u64, within: Option<Duration>) -> Answering<ListLook> {
        let looking = self.begin(within);
        Box::pin(async move {
            let connection = looking.connect().await?;
            looking
                .bound(list_from(&connection, &looking.source, cursor))
                .await
        })
    }

    fn begin(&self, within: Option<Duration>) -> Looking {
        let longest = self.source.connect_timeout;
        let allowed = within.map_or(longest, |within| within.min(longest));
        Looking {
            source: self.source.clone(),
            route: self.route.clone(),
            allowed,
            until: Instant::now() + allowed,
        }
    }
}

/// One look, which has so long for all that it asks.
struct Looking {
    source: Arc<RedisSource>,
    route: Route,
    allowed: Duration,
    until: Instant,
}

impl Looking {
    async fn connect(&self) -> Result<Connection, Failure> {
        let (deadline, progress) = (Deadline::new(self.until), Progress::default());
        let opened = timeout_at(self.until, self.route.open(&deadline, &progress)).await;
        let failure = match opened {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(Unopened::Failed(failure) | Unopened::BrokenOff(failure))) => failure,
            Err(_) => Failure::Unknown {
                cause: progress.cause(self.allowed, &self.source.address()),
            },
        };
        Err(told(failure, &self.source))
    }

    async fn bound<T>(
        &self,
        asking: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let answered = timeout_at(self.until, asking).await;
        let answer = answered.unwrap_or_else(|_| {
            let cause = no_answer(self.allowed, &self.source.address()).into();
            Err(Failure::Unknown { cause })
        });
        answer.map_err(|failure| told(failure, &self.source))
    }
}

async fn look_at(
    connection: &Connection,
    key: &str,
    standbys: &str,
) -> Result<ElectionLook, Failure> {
    let roster = || standbys.as_bytes();
    let highest = command("ZREVRANGE", &[roster(), b"0", MOST_STANDBYS, b"WITHSCORES"]);
    let (time, record, standbys, count) = join4(
        connection.ask(cmd("TIME")),
        connection.ask(record_command(key)),
        connection.ask(highest),
        connection.ask(command("ZCARD", &[roster()])),
    )
    .await;
    Ok(ElectionLook {
        micros: micros(&answered(time)?)?,
        record: record_of(key, &answered(record)?)?,
        standbys: roster_of(standbys, count)?,
    })
}

/// Whoever may not read the roster sees the rest.
fn roster_of(
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

async fn list_from(
    connection: &Connection,
    source: &RedisSource,
    mut cursor: u64,
) -> Result<ListLook, Failure> {
    let begun = Instant::now();
    let time = answered(connection.ask(cmd("TIME")).await)?;
    let mut look = ListLook {
        micros: micros(&time)?,
        ..ListLook::default()
    };
    let pattern = source.place().pattern();
    loop {
        let (at, step) = (cursor.to_string(), SCANNED.to_string());
        let scan = [at.as_bytes(), b"MATCH", pattern.as_bytes(), b"COUNT"];
        let mut scan = command("SCAN", &scan);
        scan.arg(&step);
        let scanned = answered(connection.ask(scan).await)?;
        let (next, found) = scan_of(&scanned).ok_or_else(unreadable)?;
        let names = found.iter().filter_map(|key| names_of(source.place(), key));
        let looks = join_all(names.map(|listed| look_at_listed(connection, source, listed))).await;
        for listed in looks {
            look.found.push(listed?);
        }
        look.scanned += SCANNED;
        cursor = next;
        if cursor == 0 || begun.elapsed() > SLICE || look.found.len() > MOST_LISTED {
            look.cursor = cursor;
            return Ok(look);
        }
    }
}

fn scan_of(value: &Value) -> Option<(u64, Vec<String>)> {
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

async fn look_at_listed(
    connection: &Connection,
    source: &RedisSource,
    listed: Listed,
) -> Result<(String, ListedLook), Failure> {
    let place = source.place();
    Ok(match listed {
        Listed::Election(name) => {
            let key = Keys::new(place, &name).record().to_string();
            let record = passing(connection.ask(record_command(&key)).await)?;
            let look = record.and_then(|record| record_of(&key, &record));
            (name, ListedLook::Election(look))
        }
        Listed::Lease(resource) => {
            let key = RunKeys::new(place, &resource).lease().to_string();
            let (value, left) = join(
                connection.ask(command("GET", &[key.as_bytes()])),
                connection.ask(command("PTTL", &[key.as_bytes()])),
            )
            .await;
            let look = match (passing(value)?, passing(left)?) {
                (Ok(value), Ok(left)) => lease_of(&key, &value, &left),
                (Err(failure), _) | (_, Err(failure)) => Err(failure),
            };
            (resource, ListedLook::Lease(look))
        }
    })
}

/// `<token> <identity> <ttl>`, with what stands behind it ("scripts/run/acquire.lua").
fn lease_of(key: &str, value: &Value, left: &Value) -> Result<LeaseLook, Failure> {
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

/// An error that is about one key alone shows there; any other ends the look.
fn passing(answer: Result<Value, RedisError>) -> Result<Result<Value, Failure>, Failure> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(error) => match classify(&error).failure {
            failure @ Failure::Unknown { .. } => Err(failure),
            failure => Ok(Err(failure)),
        },
    }
}

fn record_command(key: &str) -> Cmd {
    let mut fields = vec![key.as_bytes()];
    // Not all: anybody may have put any number there.
    fields.extend(FIELDS.map(str::as_bytes));
    command("HMGET", &fields)
}

/// What candidates would make of the record, and what is there for people.
fn record_of(key: &str, value: &Value) -> Result<RecordLook, Failure> {
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

/// Digits alone, and no number that JavaScript does not represent exactly.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok())?;
    number.filter(|number| *number <= Token::MAX.get())
}

fn micros(time: &Value) -> Result<u64, Failure> {
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

fn command(name: &str, arguments: &[&[u8]]) -> Cmd {
    let mut command = cmd(name);
    for argument in arguments {
        command.arg(*argument);
    }
    command
}

fn answered(answer: Result<Value, RedisError>) -> Result<Value, Failure> {
    answer.map_err(|error| classify(&error).failure)
}

fn unreadable() -> Failure {
    Failure::Unknown {
        cause: "the answer cannot be read: not a Redis server?".into(),
    }
}

const FIELDS: [&str; 10] = [
    "v", "token", "identity", "released", "ttl", "at", "since", "server", "asked", "log",
];
const PROTOCOL: f64 = 1.0;
/// The last of the roster that is read: a thousand are more than anybody reads.
const MOST_STANDBYS: &[u8] = b"999";
/// Of how many keys SCAN tells at once: a fraction of a millisecond of the server's time.
const SCANNED: u64 = 1_000;
/// For so long a list is looked for before it is shown how far that is.
const SLICE: Duration = Duration::from_millis(300);
const MOST_LISTED: usize = 10_000;
