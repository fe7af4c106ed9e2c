//! Reads `redis+sentinel://[[user]:password@]host[:port][,host[:port]...]/name[/db][?parameters]`.

use url::form_urlencoded;

use super::redis_source::{credential, decode, refuse, refuse_at_sign};
use super::{Endpoint, RedisSource, SentinelSource};
use crate::election::ConfigError;

/// Reads the part behind the scheme. The user and the password are the master's; `sentinelUsername` and
/// `sentinelPassword` are parameters.
pub(super) fn parse_sentinel_url(rest: &str) -> Result<RedisSource, ConfigError> {
    if rest.contains('#') {
        return refuse(
            "a fragment".into(),
            "a URL without a fragment (write # as %23)",
        );
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if path.contains('@') {
        return refuse_at_sign();
    }
    let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (username, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let (name, db) = path.split_once('/').unwrap_or((path, "0"));
    let name = decode("name", name)?;
    if name.is_empty() {
        return refuse("redis+sentinel:// without a name".into(), FORM);
    }
    let mut sentinel = SentinelSource {
        name,
        sentinels: hosts.split(',').map(endpoint).collect::<Result<_, _>>()?,
        ..SentinelSource::default()
    };
    for (parameter, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = Some(value.into_owned()).filter(|value| !value.is_empty());
        match &*parameter {
            "sentinelUsername" => sentinel.username = value,
            "sentinelPassword" => sentinel.password = value,
            _ => return refuse("an unknown query parameter".into(), PARAMETERS),
        }
    }
    Ok(RedisSource {
        db: number(db).ok_or_else(|| no_db(db))?,
        username: credential("user", username)?,
        password: credential("password", password)?,
        sentinel: Some(Box::new(sentinel)),
        ..RedisSource::default()
    })
}

fn endpoint(text: &str) -> Result<Endpoint, ConfigError> {
    // The colons of an IPv6 address are within brackets.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = decode("host", bare.unwrap_or(host))?;
    if host.is_empty() || bare.is_none() && host.contains([':', '[', ']']) {
        return refuse("a sentinel without a valid host".into(), FORM);
    }
    let port = match port {
        None => Some(SENTINEL_PORT),
        Some(port) => number(port)
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port > 0),
    };
    match port {
        Some(port) => Ok(Endpoint { host, port }),
        None => refuse(
            "a sentinel with an invalid port".into(),
            "ports from 1 to 65535",
        ),
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (1..10).contains(&text.len()))
        .then(|| text.parse().ok())
        .flatten()
}

fn no_db(text: &str) -> ConfigError {
    let shown: String = text.chars().take(40).collect();
    ConfigError {
        field: "redis",
        value: format!("the path /name/{shown}"),
        rule: "a URL whose path is the name of a master and a db number".into(),
    }
}

const SENTINEL_PORT: u16 = 26379;
const FORM: &str = "redis+sentinel://user:password@host:port,host:port/name/db";
const PARAMETERS: &str = "a URL whose parameters are sentinelUsername and sentinelPassword alone";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> RedisSource {
        parse_sentinel_url(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn sentinels(text: &str) -> Vec<String> {
        let sentinel = parse(text).sentinel.unwrap();
        sentinel.sentinels.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_part_of_a_url_is_read() {
        let text = "bob:p%40ss@one:1,two,[::1]:3,[::2]/my%20master/4?sentinelUsername=al&sentinelPassword=s%23";
        let source = parse(text);
        assert_eq!(
            sentinels(text),
            ["one:1", "two:26379", "[::1]:3", "[::2]:26379"]
        );
        assert_eq!(
            (source.username.as_deref(), source.password.as_deref()),
            (Some("bob"), Some("p@ss"))
        );
        assert_eq!(source.db, 4);
        let sentinel = source.sentinel.unwrap();
        assert_eq!(sentinel.name, "my master");
        assert_eq!(sentinel.username.as_deref(), Some("al"));
        assert_eq!(sentinel.password.as_deref(), Some("s#"));
        assert!(sentinel.learns && sentinel.nat_map.is_empty());
    }

    #[test]
    fn what_a_url_leaves_out_is_the_default() {
        let source = parse("host/main");
        let expected = RedisSource {
            sentinel: source.sentinel.clone(),
            ..RedisSource::default()
        };
        assert_eq!(source, expected);
        assert_eq!(source.address(), "main by sentinel host:26379");
        assert_eq!(
            parse("a,b,c/main/2").to_string(),
            "main by sentinel a:26379 and 2 more/2"
        );
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_without_repeating_a_secret() {
        for (text, named) in [
            ("", "without a name"),
            (":secret@host", "without a name"),
            (":secret@host/", "without a name"),
            ("/main", "host"),
            (":secret@/main", "host"),
            (":secret@one,,two/main", "host"),
            (":secret@::1/main", "host"),
            (":secret@[::1/main", "host"),
            (":secret@host:0/main", "port"),
            (":secret@host:99999/main", "port"),
            (":secret@host:port/main", "port"),
            (":secret@host:/main", "port"),
            (":secret@host/main/four", "four"),
            (":secret@host/main/4/", "4/"),
            (":secret@host/main#x", "fragment"),
            (":secret%ff@host/main", "password"),
            ("bob:1/secret@host/main", "%2F"),
            ("bob:1/x/secret@host/main", "%2F"),
            ("bob:1/secret@host/4", "%2F"),
            ("host/main?role=secret", "query parameter"),
            ("host/main?secret", "query parameter"),
        ] {
            let error = parse_sentinel_url(text).expect_err(text).to_string();
            assert!(error.contains(named), "{text}: {error}");
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let source = parse(":hush@host/main?sentinelPassword=hush");
        assert!(!format!("{source:?} {source:#?} {source}").contains("hush"));
        assert_eq!(source.secrets().collect::<Vec<_>>(), ["hush", "hush"]);
    }
}
