use std::fmt;

use super::RedisSource;
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

    /// Reads `memory://name`, or a URL of [`RedisSource::parse_url`].
    pub fn parse_url(text: &str) -> Result<Self, ConfigError> {
        match text.split_once("://") {
            Some((scheme, name)) if scheme.eq_ignore_ascii_case("memory") => {
                check_name("the name in redis: 'memory://name'", name)?;
                Ok(Source::Memory {
                    name: name.to_owned(),
                })
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
    fn everything_else_is_a_redis_url() {
        assert!(matches!(
            Source::parse_url("redis://localhost/4"),
            Ok(Source::Redis(_))
        ));
        assert!(Source::parse_url("http://localhost").is_err());
    }
}
