use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::{Url, form_urlencoded};

use super::keys::{Place, check_key_prefix};
use super::{Endpoint, SentinelSource, Tls, TlsOptions};
use crate::election::ConfigError;

/// Where a Redis server is and how to log in. Sources that are equal but for the connection's name share one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RedisSource {
    /// A name or an address. Ignored where `path` is given.
    pub host: String,
    pub port: u16,
    /// A Unix socket, instead of a host and a port.
    pub path: Option<PathBuf>,
    pub db: u32,
    pub username: Option<String>,
    /// Never shown: neither by `Debug` nor by `Display`, nor in any error or log line.
    pub password: Option<String>,
    /// Put before every key and channel, as the caller's own client does.
    pub key_prefix: String,
    /// What the server calls this connection in `CLIENT LIST`, with `:primary-lease` behind it.
    pub connection_name: Option<String>,
    pub family: IpFamily,
    /// Who knows where the master is, instead of a host and a port.
    pub sentinel: Option<Box<SentinelSource>>,
    /// An eighth of the ttl of what waits for the connection bounds connecting too, but never to less
    /// than 250 ms.
    pub connect_timeout: Duration,
    /// Elections do without the server's incarnation where it does not tell it (`failoverUnsafe`).
    pub failover_unsafe: bool,
    /// Whether what goes over the connection is encrypted, and how.
    pub tls: Option<Tls>,
}

/// Which addresses of a host are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IpFamily {
    #[default]
    Any,
    V4,
    V6,
}

impl RedisSource {
    /// Where all of its names lie.
    pub(super) fn place(&self) -> Place<'_> {
        Place {
            key_prefix: &self.key_prefix,
            db: self.db,
        }
    }

    /// Reads `redis://[[user]:password@][host][:port][/db]` or `unix://[[user]:password@]/path`, also with
    /// `valkey` and `redis+unix` as schemes. What ioredis reads from a query is read from it here too,
    /// and is weaker than the same in the URL's own parts.
    /// With `rediss` or `valkeys` it is encrypted, and no server is trusted until [`tls`](Self::tls) says which.
    ///
    /// What cannot be honoured is refused by name, and no error repeats a secret.
    pub fn parse_url(text: &str) -> Result<Self, ConfigError> {
        let form = "a URL: redis://user:password@host:port/db or unix:///path";
        let Some((scheme, rest)) = text.split_once("://") else {
            return refuse("a text without a scheme".into(), form);
        };
        let read = match scheme.to_ascii_lowercase().as_str() {
            "redis" | "valkey" => parse_tcp(rest),
            "unix" | "redis+unix" => parse_unix(rest),
            "rediss" | "valkeys" => encrypted(rest),
            "memory" => refuse("memory://".into(), "the URL of a Redis server here"),
            // Anything may stand before the colon, also a password that was pasted by mistake.
            other if KNOWN_SCHEMES.contains(&other) => {
                refuse(format!("{other}://"), "redis://, rediss:// or unix://")
            }
            _ => refuse("an unknown scheme".into(), "redis://, rediss:// or unix://"),
        };
        let tail = rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]);
        match read {
            Err(_) if tail.contains('@') => refuse_at_sign(),
            read => read,
        }
    }

    /// Without what the connection is called: sources that differ in this alone share one.
    pub fn unnamed(&self) -> RedisSource {
        RedisSource {
            connection_name: None,
            ..self.clone()
        }
    }

    /// Where it is, for people: `127.0.0.1:6379`, `[::1]:6379`, the path of the socket, or the name of
    /// the master and who knows it.
    pub fn address(&self) -> String {
        match (&self.sentinel, &self.path) {
            (Some(sentinel), _) => sentinel.to_string(),
            (None, Some(path)) => path.display().to_string(),
            (None, None) => self.endpoint().to_string(),
        }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint {
            host: self.host.clone(),
            port: self.port,
        }
    }

    /// The same, with the master and the sentinels both encrypted in this way.
    pub fn encrypted(self, tls: Tls) -> RedisSource {
        let of_sentinels = self.sentinel.map(|sentinel| {
            Box::new(SentinelSource {
                tls: Some(tls.clone()),
                ..*sentinel
            })
        });
        RedisSource {
            sentinel: of_sentinels,
            tls: Some(tls),
            ..self
        }
    }

    /// What must never be shown, wherever it comes from.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let of_sentinels = self
            .sentinel
            .as_ref()
            .and_then(|sentinel| sentinel.password.as_deref());
        self.password.as_deref().into_iter().chain(of_sentinels)
    }
}

impl Default for RedisSource {
    fn default() -> Self {
        RedisSource {
            host: "localhost".into(),
            port: 6379,
            path: None,
            db: 0,
            username: None,
            password: None,
            key_prefix: String::new(),
            connection_name: None,
            family: IpFamily::Any,
            sentinel: None,
            connect_timeout: Duration::from_secs(10),
            failover_unsafe: false,
            tls: None,
        }
    }
}

impl fmt::Display for RedisSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.db)
    }
}

impl fmt::Debug for RedisSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSource")
            .field("address", &self.address())
            .field("db", &self.db)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("key_prefix", &self.key_prefix)
            .field("connection_name", &self.connection_name)
            .field("family", &self.family)
            .field("sentinel", &self.sentinel)
            .field("connect_timeout", &self.connect_timeout)
            .field("failover_unsafe", &self.failover_unsafe)
            .field("tls", &self.tls)
            .finish()
    }
}

/// `rest` is what follows the scheme's slashes.
fn parse_tcp(rest: &str) -> Result<RedisSource, ConfigError> {
    let url = Url::parse(&format!("redis://{rest}")).or_else(|error| {
        refuse(
            error.to_string(),
            "a valid URL (an IPv6 address in brackets)",
        )
    })?;
    refuse_fragment(url.fragment().is_some())?;
    let mut source = RedisSource::default();
    if let Some(query) = url.query() {
        read_query(query, &mut source)?;
    }
    if let Some(host) = url.host_str().filter(|host| !host.is_empty()) {
        source.host = decode("host", host.trim_start_matches('[').trim_end_matches(']'))?;
    }
    source.port = match url.port() {
        Some(0) => return refuse("port 0".into(), "a URL with a port from 1 to 65535"),
        port => port.unwrap_or(source.port),
    };
    match url.path().trim_start_matches('/') {
        "" => {}
        digits => match number(digits) {
            Some(db) => source.db = db,
            None => {
                return refuse(
                    format!("the path /{}", shown(digits)),
                    "a URL whose path is a db number",
                );
            }
        },
    }
    read_credentials(
        url.username(),
        url.password().unwrap_or_default(),
        &mut source,
    )?;
    Ok(source)
}

fn encrypted(rest: &str) -> Result<RedisSource, ConfigError> {
    Ok(RedisSource {
        tls: Some(Tls::new(TlsOptions::default())?),
        ..parse_tcp(rest)?
    })
}

/// `url` refuses credentials without a host, hence by hand.
fn parse_unix(rest: &str) -> Result<RedisSource, ConfigError> {
    refuse_fragment(rest.contains('#'))?;
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let start = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(start);
    let credentials = match authority.strip_suffix('@') {
        Some(credentials) => credentials,
        None if authority.is_empty() => "",
        None => {
            return refuse(
                "unix:// with a host".into(),
                "unix:///path, with three slashes",
            );
        }
    };
    if path.len() < 2 {
        return refuse("unix:// without a path".into(), "unix:///path");
    }
    let mut source = RedisSource {
        path: Some(decode("path", path)?.into()),
        ..RedisSource::default()
    };
    if let Some(query) = query {
        read_query(query, &mut source)?;
    }
    let (username, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    read_credentials(username, password, &mut source)?;
    Ok(source)
}

fn refuse_fragment(fragment: bool) -> Result<(), ConfigError> {
    if fragment {
        let rule = "a URL without a fragment (write # as %23)";
        return refuse("a fragment".into(), rule);
    }
    Ok(())
}

/// The parameters of a query, as ioredis reads them: of two with one name the later counts.
fn read_query(query: &str, source: &mut RedisSource) -> Result<(), ConfigError> {
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let refuse_value = |rule: &str| {
            let shown = shown(&value);
            refuse(format!("the query parameter {name}={shown}"), rule)
        };
        // What is no UTF-8 has become one of these.
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return refuse(
                format!("a query parameter {} that is not UTF-8", shown(&name)),
                "a URL in UTF-8",
            );
        }
        match &*name {
            "db" => match number(&value) {
                Some(db) => source.db = db,
                None => return refuse_value("a URL whose db is a number"),
            },
            "family" => {
                source.family = match &*value {
                    "0" => IpFamily::Any,
                    "4" => IpFamily::V4,
                    "6" => IpFamily::V6,
                    _ => return refuse_value("a URL whose family is 0, 4 or 6"),
                }
            }
            "connectTimeout" => match number(&value) {
                Some(ms) if ms > 0 => source.connect_timeout = Duration::from_millis(ms.into()),
                _ => return refuse_value("a URL whose connectTimeout is in ms, above 0"),
            },
            "keyPrefix" => {
                check_key_prefix(&value)?;
                source.key_prefix = value.into_owned();
            }
            "failoverUnsafe" => {
                source.failover_unsafe = match &*value {
                    "true" => true,
                    "false" => false,
                    _ => return refuse_value("a URL whose failoverUnsafe is true or false"),
                }
            }
            "username" => source.username = given(value.into_owned()),
            "password" => source.password = given(value.into_owned()),
            other => {
                return refuse(
                    format!("the query parameter {}", shown(other)),
                    "a URL with no parameters but db, family, connectTimeout, keyPrefix, \
                     username, password and failoverUnsafe",
                );
            }
        }
    }
    Ok(())
}

fn read_credentials(
    username: &str,
    password: &str,
    source: &mut RedisSource,
) -> Result<(), ConfigError> {
    if let Some(username) = credential("user", username)? {
        source.username = Some(username);
    }
    if let Some(password) = credential("password", password)? {
        source.password = Some(password);
    }
    Ok(())
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.len() < 10 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// The beginning of what was given, where it is no secret.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

pub(super) fn credential(what: &str, encoded: &str) -> Result<Option<String>, ConfigError> {
    Ok(given(decode(what, encoded)?))
}

pub(super) fn decode(what: &str, encoded: &str) -> Result<String, ConfigError> {
    match percent_decode_str(encoded).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => refuse(format!("a {what} that is not UTF-8"), "a URL in UTF-8"),
    }
}

/// What has an `@` behind the host: what stands there may be the second half of a password, of which
/// nothing is repeated.
pub(super) fn refuse_at_sign<T>() -> Result<T, ConfigError> {
    refuse(
        "one with an @ behind the host".into(),
        "a URL in which / ? # and @ of user and password are written as %2F %3F %23 %40",
    )
}

pub(super) fn refuse<T>(value: String, rule: &str) -> Result<T, ConfigError> {
    Err(ConfigError {
        field: "redis",
        value,
        rule: rule.into(),
    })
}

/// Those that a person may have meant.
const KNOWN_SCHEMES: &[&str] = &[
    "sentinel",
    "redis+socket",
    "redis-socket",
    "redis+tls",
    "http",
    "https",
    "tcp",
    "file",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> RedisSource {
        RedisSource::parse_url(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn what_a_url_leaves_out_is_the_default() {
        let default = RedisSource::default();
        for text in [
            "redis://",
            "redis://localhost",
            "redis://localhost:6379/0",
            "REDIS:///",
        ] {
            assert_eq!(parse(text), default, "{text}");
        }
    }

    #[test]
    fn every_part_of_a_url_is_read() {
        let expected = RedisSource {
            host: "redis.example.com".into(),
            port: 7000,
            db: 4,
            username: Some("bob".into()),
            password: Some("p@ss:w/rd#?".into()),
            ..RedisSource::default()
        };
        let text = "redis://bob:p%40ss%3Aw%2Frd%23%3F@redis.example.com:7000/4";
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn a_url_may_ask_for_tls_and_trusts_nobody_by_itself() {
        let source = parse("REDISS://:secret@redis.test/4");
        let nobody = Tls::new(TlsOptions::default()).unwrap();
        assert_eq!(source.tls, Some(nobody));
        let plain = RedisSource {
            tls: None,
            ..source
        };
        assert_eq!(plain, parse("redis://:secret@redis.test/4"));
    }

    #[test]
    fn a_password_may_come_without_a_user() {
        let source = parse("redis://:secret@10.0.0.1");
        assert_eq!(source.username, None);
        assert_eq!(source.password.as_deref(), Some("secret"));
    }

    #[test]
    fn an_ipv6_address_loses_its_brackets() {
        let source = parse("redis://[::1]:6380");
        assert_eq!(source.host, "::1");
        assert_eq!(source.address(), "[::1]:6380");
    }

    #[test]
    fn a_unix_socket_is_a_path() {
        let source = parse("unix:///run/redis%20one.sock");
        assert_eq!(source.path, Some("/run/redis one.sock".into()));
        let source = parse("unix://bob:secret@/run/redis.sock");
        assert_eq!(source.path, Some("/run/redis.sock".into()));
        assert_eq!(source.username.as_deref(), Some("bob"));
        assert_eq!(source.password.as_deref(), Some("secret"));
    }

    #[test]
    fn the_parameters_of_a_query_are_weaker_than_the_rest() {
        let expected = RedisSource {
            db: 2,
            username: Some("bob".into()),
            password: Some("p@ss word".into()),
            key_prefix: "app:".into(),
            family: IpFamily::V6,
            connect_timeout: Duration::from_millis(500),
            ..RedisSource::default()
        };
        let query =
            "db=2&family=6&connectTimeout=500&keyPrefix=app%3A&username=bob&password=p%40ss+word";
        assert_eq!(parse(&format!("redis://?{query}")), expected);
        assert_eq!(parse(&format!("valkey://localhost/?{query}")), expected);
        let stronger = parse(&format!("redis://eve:other@localhost/7?{query}"));
        let eves = RedisSource {
            db: 7,
            username: Some("eve".into()),
            password: Some("other".into()),
            ..expected.clone()
        };
        assert_eq!(stronger, eves);
        let local = RedisSource {
            path: Some("/run/redis.sock".into()),
            ..expected
        };
        for scheme in ["unix", "redis+unix"] {
            assert_eq!(parse(&format!("{scheme}:///run/redis.sock?{query}")), local);
        }
        assert_eq!(parse("redis://?db=1&db=3").db, 3);
        assert_eq!(parse("redis://?password=&username=").password, None);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_without_repeating_a_secret() {
        for (text, named) in [
            ("secret", "without a scheme"),
            ("localhost:6379", "without a scheme"),
            ("memory://secret", "memory"),
            ("sentinel://:secret@host/name", "sentinel"),
            ("secret://host", "unknown scheme"),
            ("redis://:secret@host?db=four", "db=four"),
            ("redis://host?db=", "db="),
            ("redis://host?db=-1", "db=-1"),
            ("redis://host?family=5", "family=5"),
            ("redis://host?connectTimeout=0", "connectTimeout=0"),
            ("redis://host?connectTimeout=1e3", "connectTimeout=1e3"),
            ("redis://host?keyPrefix={}", "keyPrefix"),
            ("redis://host?password=secret%ff", "password"),
            ("redis://host?password=secret&tls=1", "tls"),
            ("redis://host?retryStrategy=secret", "retryStrategy"),
            ("redis://:secret@host/0#x", "fragment"),
            ("redis://:secret@host/four", "/four"),
            ("redis://:secret@host/-1", "/-1"),
            ("redis://:secret@host/4/", "/4/"),
            ("redis://:secret@host/99999999999", "/99999999999"),
            ("redis://:secret@host:0", "port 0"),
            ("redis://:secret@host:99999", "port"),
            ("redis://:secret@:6379", "host"),
            ("redis://:secret%ff@host", "password"),
            ("redis://bob:1/secret@host", "%2F"),
            ("redis://bob:1?secret=1@host", "%3F"),
            ("redis://bob:1#secret@host", "%23"),
            ("unix://bob:1/secret@/run?secret=1", "%2F"),
            ("unix://host/secret", "host"),
            ("unix://:secret@", "path"),
            ("unix://:secret@/run/redis.sock?host=x", "host"),
            ("redis+unix://:secret@", "path"),
        ] {
            let error = RedisSource::parse_url(text).expect_err(text).to_string();
            assert!(error.contains(named), "{text}: {error}");
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let source = parse("redis://bob:secret@host:7000/4");
        assert!(!format!("{source:?} {source:#?} {source}").contains("secret"));
        assert_eq!(source.to_string(), "host:7000/4");
    }
}
