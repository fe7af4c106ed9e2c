use std::fmt::{self, Display};
use std::sync::Arc;

use crate::election::ConfigError;
use crate::election::run::TickName;

/// Refuses a prefix with an empty hash tag. Redis looks at the first pair of braces of a key alone; where
/// there is nothing between them, ours behind it name no slot, and a cluster scatters the keys.
pub fn check_key_prefix(prefix: &str) -> Result<(), ConfigError> {
    let tag = prefix.split_once('{').map(|(_, rest)| rest);
    match tag {
        Some(tag) if tag.starts_with('}') => Err(ConfigError {
            field: "keyPrefix",
            value: format!("{prefix:?}"),
            rule: "without an empty hash tag (its first '{' followed by '}'), which puts the keys of one name into different slots of a cluster".into(),
        }),
        _ => Ok(()),
    }
}

/// Where all names of one source lie in Redis.
///
/// A key belongs to a database; a channel belongs to all of them, so its name says which.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub key_prefix: &'a str,
    pub db: u32,
}

/// The names of one election in Redis. They are written where they go to, and made nowhere else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys<'a> {
    place: Place<'a>,
    name: &'a str,
}

impl<'a> Keys<'a> {
    pub fn new(place: Place<'a>, name: &'a str) -> Self {
        Keys { place, name }
    }

    /// The hash that is the record.
    pub fn record(self) -> impl Display + 'a {
        ElectionName {
            keys: self,
            changes: false,
        }
    }

    /// The channel on which every write of the record is published.
    pub fn changes(self) -> impl Display + 'a {
        ElectionName {
            keys: self,
            changes: true,
        }
    }
}

struct ElectionName<'a> {
    keys: Keys<'a>,
    changes: bool,
}

impl Display for ElectionName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Keys { place, name } = self.keys;
        // The braces keep all keys of one election in one slot of a cluster.
        write!(f, "{}primary:{{{name}}}", place.key_prefix)?;
        match self.changes {
            true => write!(f, ":changes:{}", place.db),
            false => Ok(()),
        }
    }
}

/// The names of one run lease in Redis. They are written where they go to, and made nowhere else.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunKeys<'a> {
    place: Place<'a>,
    resource: &'a str,
}

impl<'a> RunKeys<'a> {
    pub fn new(place: Place<'a>, resource: &'a str) -> Self {
        RunKeys { place, resource }
    }

    /// The string that is the lease.
    pub fn lease(self) -> impl Display + 'a {
        RunName(self, RunKind::Lease)
    }

    /// The channel on which its releases are published.
    pub fn releases(self) -> impl Display + 'a {
        RunName(self, RunKind::Releases)
    }

    /// What remembers that a tick was granted, in the slot of the lease.
    pub fn tick(self, name: TickName) -> impl Display + 'a {
        RunName(self, RunKind::Tick(name))
    }
}

struct RunName<'a>(RunKeys<'a>, RunKind);

enum RunKind {
    Lease,
    Releases,
    Tick(TickName),
}

impl Display for RunName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RunKeys { place, resource } = self.0;
        write!(f, "{}lease:{{{resource}}}", place.key_prefix)?;
        match &self.1 {
            RunKind::Lease => Ok(()),
            RunKind::Releases => write!(f, ":released:{}", place.db),
            RunKind::Tick(TickName::At(at)) => write!(f, ":tick:{at}"),
            RunKind::Tick(TickName::Present) => f.write_str(":tick"),
        }
    }
}

/// By which name resources know the lease of an election.
pub fn fenced_election(name: &str) -> Arc<str> {
    format!("primary:{name}").into()
}

/// By which name resources know the lease of a run.
pub fn fenced_lease(resource: &str) -> Arc<str> {
    format!("lease:{resource}").into()
}

/// Where a resource keeps the highest tokens that it has seen.
pub(super) fn fence_key(key_prefix: &str, resource: &str) -> Arc<str> {
    format!("{key_prefix}fence:{{{resource}}}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: Place = Place {
        key_prefix: "app:",
        db: 4,
    };

    #[test]
    fn the_name_stands_between_braces_behind_the_callers_prefix() {
        let keys = Keys::new(APP, "chronos");
        assert_eq!(keys.record().to_string(), "app:primary:{chronos}");
        assert_eq!(
            keys.changes().to_string(),
            "app:primary:{chronos}:changes:4"
        );
    }

    #[test]
    fn each_database_has_channels_of_its_own() {
        let other = Place { db: 0, ..APP };
        let [one, two] = [APP, other].map(|place| Keys::new(place, "a").changes().to_string());
        assert_ne!(one, two);
        let [one, two] = [APP, other].map(|place| RunKeys::new(place, "a").releases().to_string());
        assert_ne!(one, two);
    }

    /// What Redis hashes of a key, by its specification.
    fn tag(key: &str) -> &str {
        let tag = key
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'))
            .map(|(tag, _)| tag);
        tag.filter(|tag| !tag.is_empty()).unwrap_or(key)
    }

    #[test]
    fn the_keys_of_one_name_share_a_slot_under_every_prefix_that_is_allowed() {
        for prefix in ["", "app:", "{app}", "{app}{}", "}{x}", "app{", "}{", "a}b"] {
            assert_eq!(check_key_prefix(prefix), Ok(()), "{prefix}");
            let keys = RunKeys::new(
                Place {
                    key_prefix: prefix,
                    db: 0,
                },
                "chronos:mail",
            );
            assert_eq!(
                tag(&keys.lease().to_string()),
                tag(&keys.tick(TickName::At(1_795)).to_string()),
                "{prefix}"
            );
        }
        for prefix in ["{}", "app:{}:", "{}{app}"] {
            let refusal = check_key_prefix(prefix).unwrap_err().to_string();
            assert!(refusal.starts_with("keyPrefix must be"), "{refusal}");
            assert!(refusal.contains(prefix), "{refusal}");
            let keys = RunKeys::new(
                Place {
                    key_prefix: prefix,
                    db: 0,
                },
                "chronos:mail",
            );
            assert_ne!(
                tag(&keys.lease().to_string()),
                tag(&keys.tick(TickName::At(1_795)).to_string()),
                "{prefix}"
            );
        }
    }

    #[test]
    fn all_keys_of_a_resource_share_its_slot() {
        let keys = RunKeys::new(APP, "chronos:mail");
        assert_eq!(keys.lease().to_string(), "app:lease:{chronos:mail}");
        let at = keys.tick(TickName::At(1_795)).to_string();
        assert_eq!(at, "app:lease:{chronos:mail}:tick:1795");
        let present = keys.tick(TickName::Present).to_string();
        assert_eq!(present, "app:lease:{chronos:mail}:tick");
        assert_eq!(
            keys.releases().to_string(),
            "app:lease:{chronos:mail}:released:4"
        );
    }
}
