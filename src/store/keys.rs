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

impl Place<'_> {
    /// What SCAN matches the keys of elections and run leases with, and not many others.
    pub fn pattern(self) -> String {
        let mut pattern = String::new();
        for c in self.key_prefix.chars() {
            if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern + "[pl]*:{*}"
    }
}

/// What a key belongs to, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Election(String),
    Lease(String),
}

/// The election or the run lease whose record this key is.
pub(super) fn names_of(place: Place, key: &str) -> Option<Listed> {
    let key = key.strip_prefix(place.key_prefix)?.strip_suffix('}')?;
    let (kind, name) = key.split_once(":{")?;
    let ours = !name.is_empty() && !name.contains(['{', '}']);
    match kind {
        "primary" if ours => Some(Listed::Election(name.into())),
        "lease" if ours => Some(Listed::Lease(name.into())),
        _ => None,
    }
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
        ElectionName(self, ElectionKind::Record)
    }

    /// The channel on which every write of the record is published.
    pub fn changes(self) -> impl Display + 'a {
        ElectionName(self, ElectionKind::Changes)
    }

    /// The sorted set of those who stand by.
    pub fn standbys(self) -> impl Display + 'a {
        ElectionName(self, ElectionKind::Standbys)
    }
}

struct ElectionName<'a>(Keys<'a>, ElectionKind);

enum ElectionKind {
    Record,
    Changes,
    Standbys,
}

impl Display for ElectionName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Keys { place, name } = self.0;
        // The braces keep all keys of one election in one slot of a cluster.
        write!(f, "{}primary:{{{name}}}", place.key_prefix)?;
        match self.1 {
            ElectionKind::Record => Ok(()),
            ElectionKind::Changes => write!(f, ":changes:{}", place.db),
            ElectionKind::Standbys => f.write_str(":standbys"),
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
        for part in [place.key_prefix, "lease:{", resource, "}"] {
            f.write_str(part)?;
        }
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
        assert_eq!(
            keys.standbys().to_string(),
            "app:primary:{chronos}:standbys"
        );
    }

    #[test]
    fn the_keys_of_records_are_known_again_by_their_names() {
        let named = |key: &str| names_of(APP, key);
        let election = |name: &str| Some(Listed::Election(name.into()));
        let key = |name: &str| Keys::new(APP, name).record().to_string();
        for name in ["chronos", "a%3Ab:v1", "漢字 👍"] {
            assert_eq!(named(&key(name)), election(name));
        }
        let lease = RunKeys::new(APP, "mail").lease().to_string();
        assert_eq!(named(&lease), Some(Listed::Lease("mail".into())));
        let tick = RunKeys::new(APP, "mail").tick(TickName::Present);
        let fence = fence_key(APP.key_prefix, "mail");
        let standbys = Keys::new(APP, "a").standbys().to_string();
        let others = [&*tick.to_string(), &*fence, &*standbys];
        for other in others
            .into_iter()
            .chain(["", "app:primary:{}", "primary:{a}"])
        {
            assert_eq!(named(other), None, "{other}");
        }
    }

    #[test]
    fn a_prefix_with_what_a_pattern_means_is_escaped_in_it() {
        let place = Place {
            key_prefix: "a*[b]?\\",
            db: 0,
        };
        assert_eq!(place.pattern(), r"a\*\[b\]\?\\[pl]*:{*}");
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
