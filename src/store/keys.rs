use std::sync::Arc;

use crate::election::ConfigError;

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

/// The names of one election in Redis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Keys {
    /// The hash that is the record.
    pub record: Arc<str>,
    /// The channel on which every write of the record is published.
    pub changes: Arc<str>,
}

impl Keys {
    /// The braces keep all keys of one election in one slot of a cluster.
    pub fn new(key_prefix: &str, name: &str) -> Self {
        let record = format!("{key_prefix}primary:{{{name}}}");
        Keys {
            changes: format!("{record}:changes").into(),
            record: record.into(),
        }
    }
}

/// The names of one scoped lease in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScopedKeys {
    /// The string that is the lease.
    pub lease: Arc<str>,
}

impl ScopedKeys {
    pub fn new(key_prefix: &str, resource: &str) -> Self {
        ScopedKeys {
            lease: format!("{key_prefix}lease:{{{resource}}}").into(),
        }
    }

    /// What remembers that a tick was granted, in the slot of the lease.
    pub fn tick(&self, at: i64) -> Arc<str> {
        format!("{}:tick:{at}", self.lease).into()
    }

    /// The channel on which a release is published.
    pub fn releases(&self) -> Arc<str> {
        format!("{}:released", self.lease).into()
    }
}

/// Where a resource keeps the highest tokens that it has seen.
pub(super) fn fence_key(key_prefix: &str, resource: &str) -> Arc<str> {
    format!("{key_prefix}fence:{{{resource}}}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_stands_between_braces_behind_the_callers_prefix() {
        let keys = Keys::new("app:", "chronos");
        assert_eq!(&*keys.record, "app:primary:{chronos}");
        assert_eq!(&*keys.changes, "app:primary:{chronos}:changes");
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
            let keys = ScopedKeys::new(prefix, "chronos:mail");
            assert_eq!(tag(&keys.lease), tag(&keys.tick(1_795)), "{prefix}");
        }
        for prefix in ["{}", "app:{}:", "{}{app}"] {
            let refusal = check_key_prefix(prefix).unwrap_err().to_string();
            assert!(refusal.starts_with("keyPrefix must be"), "{refusal}");
            assert!(refusal.contains(prefix), "{refusal}");
            let keys = ScopedKeys::new(prefix, "chronos:mail");
            assert_ne!(tag(&keys.lease), tag(&keys.tick(1_795)), "{prefix}");
        }
    }

    #[test]
    fn all_keys_of_a_resource_share_its_slot() {
        let keys = ScopedKeys::new("app:", "chronos:mail");
        assert_eq!(&*keys.lease, "app:lease:{chronos:mail}");
        assert_eq!(&*keys.tick(1_795), "app:lease:{chronos:mail}:tick:1795");
        assert_eq!(&*keys.releases(), "app:lease:{chronos:mail}:released");
    }
}
