//! Reads a connection out of what the caller has: a URL, an options object, or an ioredis client.
//! The client is neither used nor changed.

use std::time::Duration;

use napi::bindgen_prelude::Object;
use napi::{Env, JsValue};

use super::error::{PrimaryLeaseError, Result};
use super::given::{check_secret, check_text, refuse_unknown};
use super::js::{self, Kind, Value};
use crate::store::{IpFamily, RedisSource, Source, check_key_prefix};

/// What is honoured, under the names that ioredis gives it.
const HONOURED: [&str; 10] = [
    "host",
    "port",
    "path",
    "db",
    "username",
    "password",
    "keyPrefix",
    "connectionName",
    "family",
    "connectTimeout",
];

/// What cannot be honoured: giving it is an error, not a silent default.
const REFUSED: [(&str, &str); 6] = [
    ("tls", "TLS is not supported yet"),
    ("sentinels", "Sentinel is not supported yet"),
    ("Connector", "a custom connector cannot be honoured"),
    ("natMap", "address maps are not supported yet"),
    ("startupNodes", "Cluster is not supported yet"),
    ("socket", "node-redis is not supported yet"),
];

/// What says how the caller's own client behaves, which is nothing to ours.
const IRRELEVANT: [&str; 36] = [
    "autoPipeliningIgnoredCommands",
    "autoResendUnfulfilledCommands",
    "autoResubscribe",
    "blockingTimeout",
    "blockingTimeoutGrace",
    "commandQueue",
    "commandTimeout",
    "disableClientInfo",
    "clientInfoTag",
    "disconnectTimeout",
    "enableAutoPipelining",
    "enableOfflineQueue",
    "enableReadyCheck",
    "enableTLSForSentinelMode",
    "failoverDetector",
    "keepAlive",
    "lazyConnect",
    "maxLoadingRetryTime",
    "maxRetriesPerRequest",
    "monitor",
    "name",
    "noDelay",
    "offlineQueue",
    "preferredSlaves",
    "readOnly",
    "reconnectOnError",
    "retryStrategy",
    "role",
    "scripts",
    "sentinelMaxConnections",
    "sentinelPassword",
    "sentinelReconnectStrategy",
    "sentinelRetryStrategy",
    "sentinelUsername",
    "showFriendlyErrorStack",
    "stringNumbers",
];

pub fn read(env: &Env, redis: Value) -> Result<Source> {
    match js::kind(redis)? {
        Kind::Text(url) => {
            check_secret("redis", redis, &url)?;
            Ok(Source::parse_url(&url)?)
        }
        Kind::Object(object) if !object.is_array().map_err(js::Thrown::from)? => {
            match client_options(env, redis)? {
                Some(options) => from_options(env, options),
                None => {
                    let known: Vec<_> = HONOURED
                        .into_iter()
                        .chain(REFUSED.map(|(name, _)| name))
                        .chain(IRRELEVANT)
                        .collect();
                    let keys = Object::keys(&object).map_err(js::Thrown::from)?;
                    refuse_unknown("redis", &keys, &known, &HONOURED)?;
                    from_options(env, redis)
                }
            }
        }
        Kind::Object(_) => Err(refuse("an array", "a quorum is not supported yet")),
        _ => Err(refuse(
            js::describe(redis),
            "give a URL, an options object or an ioredis client",
        )),
    }
}

/// The options of an ioredis client; `None` where this is an options object itself.
fn client_options(env: &Env, redis: Value) -> Result<Option<Value>> {
    let has_method = |name: &str| Ok::<_, js::Thrown>(js::is_function(js::get(env, redis, name)?));
    let class = js::get(env, redis, "constructor")?;
    let class = match js::is_function(class) {
        true => js::kind(js::get(env, class, "name")?)?,
        false => Kind::Nothing,
    };
    if let Kind::Text(class) = &class
        && (class == "RedisMock" || class == "ClusterMock")
    {
        return Err(refuse(
            "an ioredis-mock client",
            "there is no server behind it",
        ));
    }
    let is_cluster = matches!(
        js::kind(js::get(env, redis, "isCluster")?)?,
        Kind::Bool(true)
    );
    if is_cluster || given(env, redis, "startupNodes")?.is_some() {
        return Err(refuse("an ioredis Cluster", "Cluster is not supported yet"));
    }
    if has_method("sendCommand")? && has_method("defineCommand")? {
        let options = js::get(env, redis, "options")?;
        if matches!(js::kind(options)?, Kind::Object(_)) {
            return Ok(Some(options));
        }
    }
    if has_method("sendCommand")? || has_method("connect")? {
        return Err(refuse(
            "a client of another library",
            "give a URL, an options object or an ioredis client (node-redis is not supported yet)",
        ));
    }
    Ok(None)
}

fn from_options(env: &Env, options: Value) -> Result<Source> {
    for (name, why) in REFUSED {
        if given(env, options, name)?.is_some() {
            return Err(refuse(name, why));
        }
    }
    if let Some(Kind::Text(role)) = given(env, options, "role")?
        && role == "slave"
    {
        return Err(refuse("role 'slave'", "a replica cannot be written to"));
    }
    let defaults = RedisSource::default();
    let key_prefix = text(env, options, "keyPrefix")?.unwrap_or_default();
    check_key_prefix(&key_prefix)?;
    Ok(Source::Redis(RedisSource {
        host: text(env, options, "host")?.unwrap_or(defaults.host),
        port: integer(env, options, "port", 1, 65_535)?.map_or(defaults.port, |port| port as u16),
        path: text(env, options, "path")?.map(Into::into),
        db: integer(env, options, "db", 0, u32::MAX)?.unwrap_or(defaults.db),
        username: text(env, options, "username")?,
        password: text(env, options, "password")?,
        key_prefix,
        connection_name: text(env, options, "connectionName")?,
        family: match integer(env, options, "family", 0, 6)? {
            None | Some(0) => IpFamily::Any,
            Some(4) => IpFamily::V4,
            Some(6) => IpFamily::V6,
            Some(other) => {
                return Err(PrimaryLeaseError::invalid(format!(
                    "redis: family must be 0, 4 or 6, got {other}"
                )));
            }
        },
        connect_timeout: integer(env, options, "connectTimeout", 1, u32::MAX)?
            .map_or(defaults.connect_timeout, |ms| {
                Duration::from_millis(ms.into())
            }),
    }))
}

/// A field that was really given: `null`, `undefined`, `''` and `false` are ioredis's ways of
/// saying that it was not.
fn given(env: &Env, options: Value, name: &str) -> Result<Option<Kind>> {
    Ok(match js::kind(js::get(env, options, name)?)? {
        Kind::Nothing | Kind::Bool(false) => None,
        Kind::Text(text) if text.is_empty() => None,
        kind => Some(kind),
    })
}

fn text(env: &Env, options: Value, name: &str) -> Result<Option<String>> {
    match given(env, options, name)? {
        None => Ok(None),
        Some(Kind::Text(text)) => {
            let (field, value) = (format!("redis: {name}"), js::get(env, options, name)?);
            match name {
                "username" | "password" => check_secret(&field, value, &text)?,
                _ => check_text(&field, value, &text)?,
            }
            Ok(Some(text))
        }
        Some(Kind::Function) => Err(refuse(
            &format!("a {name} function"),
            "it cannot be called from here, give the value itself",
        )),
        Some(_) => Err(PrimaryLeaseError::invalid(format!(
            "redis: {name} must be a string"
        ))),
    }
}

/// A whole number, which ioredis leaves as text when it comes from a URL.
fn integer(env: &Env, options: Value, name: &str, min: u32, max: u32) -> Result<Option<u32>> {
    let number = match given(env, options, name)? {
        None => return Ok(None),
        Some(Kind::Number(number)) => number,
        Some(Kind::Text(text)) => text.trim().parse().unwrap_or(f64::NAN),
        Some(_) => f64::NAN,
    };
    if number.fract() == 0.0 && (f64::from(min)..=f64::from(max)).contains(&number) {
        return Ok(Some(number as u32));
    }
    Err(PrimaryLeaseError::invalid(format!(
        "redis: {name} must be a whole number from {min} to {max}, got {}",
        if number.is_nan() {
            "something else".into()
        } else {
            number.to_string()
        }
    )))
}

fn refuse(what: &str, why: &str) -> PrimaryLeaseError {
    PrimaryLeaseError::invalid(format!("redis: {what} cannot be used: {why}"))
}
