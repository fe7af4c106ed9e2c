use std::sync::Arc;

use crate::election::scoped::TickName;

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
    pub fn tick(&self, name: TickName) -> Arc<str> {
        match name {
            TickName::At(at) => format!("{}:tick:{at}", self.lease).into(),
            TickName::Present => format!("{}:tick", self.lease).into(),
        }
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

    #[test]
    fn all_keys_of_a_resource_share_its_slot() {
        let keys = ScopedKeys::new("app:", "chronos:mail");
        assert_eq!(&*keys.lease, "app:lease:{chronos:mail}");
        let at = keys.tick(TickName::At(1_795));
        assert_eq!(&*at, "app:lease:{chronos:mail}:tick:1795");
        let present = keys.tick(TickName::Present);
        assert_eq!(&*present, "app:lease:{chronos:mail}:tick");
        assert_eq!(&*keys.releases(), "app:lease:{chronos:mail}:released");
    }
}
