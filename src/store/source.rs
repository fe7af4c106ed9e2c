use std::fmt;

use super::sentinel_url::parse_sentinel_url;
use super::{RedisSource, Tls, TlsOptions};
use crate::election::{ConfigError, check_name};

/// Where an election is held.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    Redis(RedisSource),
    /// `memory://name`: within this process only, for tests.
    Memory {
        name: String,
    },
}

impl Source {
    /// Whether both ask the same server in the same way; what a connection is called makes no difference.
    pub fn is_same(&self, other: &Source) -> bool {
        match (self, other) {
            (Source::Redis(a), Source::Redis(b)) => a.unnamed() == b.unnamed(),
            _ => self == other,
        }
    }

    /// Reads `memory://name`, `redis+sentinel://host:port,host:port/name/db`, or a URL of [`RedisSource::parse_url`].
    pub fn parse_url(text: &str) -> Result<Self, ConfigError> {
        match text.split_once("://") {
            Some((scheme, name)) if scheme.eq_ignore_ascii_case("memory") => {
                check_name("the name in redis: 'memory://name'", name)?;
                Ok(Source::Memory {
                    name: name.to_owned(),
                })
            }
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("redis+sentinel") => {
                Ok(Source::Redis(parse_sentinel_url(rest)?))
            }
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("rediss+sentinel") => {
                let tls = Tls::new(TlsOptions::default())?;
                Ok(Source::Redis(parse_sentinel_url(rest)?.encrypted(tls)))
            }
            _ => Ok(Source::Redis(RedisSource::parse_url(text)?)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Redis(source) => source.fmt(f),
            Source::Memory { name } => write!(f, "memory://{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_url_names_a_store_of_this_process() {
        let named = |name: &str| Source::Memory { name: name.into() };
        assert_eq!(Source::parse_url("memory://tests"), Ok(named("tests")));
        assert_eq!(Source::parse_url("MEMORY://a/b c"), Ok(named("a/b c")));
    }

    #[test]
    fn a_memory_url_without_a_name_is_refused() {
        let refusal = Source::parse_url("memory://").unwrap_err().to_string();
        assert!(
            refusal.contains("'memory://name' must be 1 to 200"),
            "{refusal}"
        );
    }

    #[test]
    fn a_sentinel_url_encrypts_the_sentinels_and_the_master_or_neither() {
        let encrypted = |url: &str| match Source::parse_url(url) {
            Ok(Source::Redis(source)) => {
                let sentinel = source.sentinel.map(|sentinel| sentinel.tls.is_some());
                (source.tls.is_some(), sentinel)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(
            encrypted("redis+sentinel://host/main"),
            (false, Some(false))
        );
        assert_eq!(encrypted("REDISS+Sentinel://host/main"), (true, Some(true)));
    }

    #[test]
    fn everything_else_is_a_redis_url() {
        assert!(matches!(
            Source::parse_url("redis://localhost/4"),
            Ok(Source::Redis(_))
        ));
        assert!(Source::parse_url("http://localhost").is_err());
    }
}
