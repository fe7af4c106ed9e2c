//! What the sentinels say, asked all at once.

use futures_util::future::join3;
use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::{Cmd, RedisError, Value, cmd};
use tokio::time::{Instant, timeout_at};

use super::super::connection::{Connection, Unopened};
use super::super::deadline::Deadline;
use super::super::error::classify;
use super::super::socket::Progress;
use super::super::words::with_cause;
use super::super::{Endpoint, RedisSource, SentinelSource};
use super::choice::Testimony;
use crate::election::Failure;

/// How to log in at a sentinel.
pub(super) fn way_to(
    source: &RedisSource,
    sentinels: &SentinelSource,
    at: &Endpoint,
) -> RedisSource {
    RedisSource {
        host: at.host.clone(),
        port: at.port,
        db: 0,
        username: sentinels.username.clone(),
        password: sentinels.password.clone(),
        sentinel: None,
        tls: sentinels.tls.clone(),
        ..source.clone()
    }
}

/// Asks all of them, and gives what each says with its place among them. Once one of them has named a
/// master, the others have a quarter of what is left to the deadline: who is gone must not keep the others
/// from being heard.
pub(super) async fn ask_all(
    ways: impl Iterator<Item = RedisSource>,
    sentinels: &SentinelSource,
    deadline: &Deadline,
) -> Vec<(usize, Result<Testimony, Failure>)> {
    let ask = |(at, way): (usize, RedisSource)| async move {
        let said = ask_one(&way, sentinels, deadline.at()).await;
        (at, said.map_err(|failure| told_of(&failure, &way)))
    };
    let mut asked: FuturesUnordered<_> = ways.enumerate().map(ask).collect();
    let mut heard = Vec::new();
    let mut named_at = None;
    loop {
        let until = named_at.map_or(deadline.at(), |at: Instant| {
            at + deadline.at().saturating_duration_since(at) / 4
        });
        let Ok(Some((at, said))) = timeout_at(until, asked.next()).await else {
            break;
        };
        if matches!(&said, Ok(testimony) if testimony.master.is_some()) {
            named_at.get_or_insert_with(Instant::now);
        }
        heard.push((at, said));
    }
    heard.sort_by_key(|(at, _)| *at);
    heard
}

async fn ask_one(
    way: &RedisSource,
    sentinels: &SentinelSource,
    deadline: Instant,
) -> Result<Testimony, Failure> {
    let opened = Connection::open_any(way, deadline, &Progress::default()).await;
    let connection = opened.map_err(|unopened| match unopened {
        Unopened::Failed(failure) | Unopened::BrokenOff(failure) => failure,
    })?;
    let (address, about, others) = join3(
        connection.ask(question("GET-MASTER-ADDR-BY-NAME", sentinels)),
        connection.ask(question("MASTER", sentinels)),
        connection.ask(question("SENTINELS", sentinels)),
    )
    .await;
    let master = match address {
        Ok(Value::Array(fields)) => endpoint(fields.first(), fields.get(1)),
        Ok(_) => None,
        Err(error) => return Err(classify(&error).failure),
    };
    // Neither is needed: permissions for them may be missing.
    let epoch = about
        .ok()
        .and_then(|about| text(field(&about, "config-epoch")?)?.parse().ok());
    Ok(Testimony {
        master: master.map(|at| sentinels.reached(at)),
        config_epoch: epoch.unwrap_or_default(),
        others: in_touch(others).map(|at| sentinels.reached(at)).collect(),
    })
}

fn question(what: &str, sentinels: &SentinelSource) -> Cmd {
    let mut command = cmd("SENTINEL");
    command.arg(what).arg(&sentinels.name);
    command
}

/// The sentinels of a list that are not known to be gone.
fn in_touch(listed: Result<Value, RedisError>) -> impl Iterator<Item = Endpoint> {
    let listed = match listed {
        Ok(Value::Array(listed)) => listed,
        _ => Vec::new(),
    };
    listed.into_iter().filter_map(|other| {
        let flags = field(&other, "flags").and_then(text).unwrap_or_default();
        let gone = flags.split(',').any(|flag| flag == "disconnected");
        endpoint(field(&other, "ip"), field(&other, "port")).filter(|_| !gone)
    })
}

/// A field of what is a map in the newer protocol and a list in the older one.
fn field<'a>(of: &'a Value, name: &str) -> Option<&'a Value> {
    let is_named = |value: &Value| text(value).as_deref() == Some(name);
    match of {
        Value::Map(fields) => fields
            .iter()
            .find(|(key, _)| is_named(key))
            .map(|(_, value)| value),
        Value::Array(fields) => {
            let named = fields.chunks_exact(2).find(|pair| is_named(&pair[0]));
            named.map(|pair| &pair[1])
        }
        _ => None,
    }
}

fn endpoint(host: Option<&Value>, port: Option<&Value>) -> Option<Endpoint> {
    let host = text(host?).filter(|host| !host.is_empty())?;
    let port = text(port?)?.parse().ok().filter(|port| *port > 0)?;
    Some(Endpoint { host, port })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

fn told_of(failure: &Failure, way: &RedisSource) -> Failure {
    let (cause, address) = (failure.cause(), way.address());
    let cause = match cause.contains(&address) {
        true => cause.to_string(),
        false => format!("{cause} ({address})"),
    };
    with_cause(failure, cause.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn pairs(of: &[(&str, &str)]) -> (Value, Value) {
        let map = of.iter().map(|(name, value)| (bulk(name), bulk(value)));
        let list = of
            .iter()
            .flat_map(|(name, value)| [bulk(name), bulk(value)]);
        (Value::Map(map.collect()), Value::Array(list.collect()))
    }

    #[test]
    fn a_field_is_found_in_either_protocol_and_by_its_name_alone() {
        let (map, list) = pairs(&[("ip", "port"), ("port", "7"), ("flags", "master")]);
        for of in [map, list] {
            assert_eq!(field(&of, "port").and_then(text).as_deref(), Some("7"));
            assert_eq!(field(&of, "master"), None);
        }
        assert_eq!(field(&Value::Nil, "port"), None);
    }

    #[test]
    fn sentinels_that_are_gone_or_cannot_be_read_are_left_out() {
        let other = |ip, port, flags| pairs(&[("ip", ip), ("port", port), ("flags", flags)]).0;
        let listed = Value::Array(vec![
            other("10.0.0.1", "1", "sentinel"),
            other("10.0.0.2", "2", "s_down,sentinel,disconnected"),
            other("10.0.0.3", "0", "sentinel"),
            other("10.0.0.4", "99999", "sentinel"),
            other("", "5", "sentinel"),
            Value::Nil,
            other("::1", "6", "s_down,sentinel"),
        ]);
        let shown: Vec<_> = in_touch(Ok(listed)).map(|at| at.to_string()).collect();
        assert_eq!(shown, ["10.0.0.1:1", "[::1]:6"]);
    }
}
