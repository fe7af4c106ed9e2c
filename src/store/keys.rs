use std::sync::Arc;

/// Where all names of one source lie in Redis.
///
/// A key belongs to a database; a channel belongs to all of them, so its name says which.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub key_prefix: &'a str,
    pub db: u32,
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
    pub fn new(place: Place, name: &str) -> Self {
        let Place { key_prefix, db } = place;
        let record = format!("{key_prefix}primary:{{{name}}}");
        Keys {
            changes: format!("{record}:changes:{db}").into(),
            record: record.into(),
        }
    }
}

/// The names of one scoped lease in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScopedKeys {
    /// The string that is the lease.
    pub lease: Arc<str>,
    /// The channel on which its releases are published.
    pub releases: Arc<str>,
}

impl ScopedKeys {
    pub fn new(place: Place, resource: &str) -> Self {
        let Place { key_prefix, db } = place;
        let lease = format!("{key_prefix}lease:{{{resource}}}");
        ScopedKeys {
            releases: format!("{lease}:released:{db}").into(),
            lease: lease.into(),
        }
    }

    /// What remembers that a tick was granted, in the slot of the lease.
    pub fn tick(&self, at: i64) -> Arc<str> {
        format!("{}:tick:{at}", self.lease).into()
    }
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
        assert_eq!(&*keys.record, "app:primary:{chronos}");
        assert_eq!(&*keys.changes, "app:primary:{chronos}:changes:4");
    }

    #[test]
    fn each_database_has_channels_of_its_own() {
        let other = Place { db: 0, ..APP };
        assert_ne!(Keys::new(APP, "a").changes, Keys::new(other, "a").changes);
        let [one, two] = [APP, other].map(|place| ScopedKeys::new(place, "a").releases);
        assert_ne!(one, two);
    }

    #[test]
    fn all_keys_of_a_resource_share_its_slot() {
        let keys = ScopedKeys::new(APP, "chronos:mail");
        assert_eq!(&*keys.lease, "app:lease:{chronos:mail}");
        assert_eq!(&*keys.tick(1_795), "app:lease:{chronos:mail}:tick:1795");
        assert_eq!(&*keys.releases, "app:lease:{chronos:mail}:released:4");
    }
}
