use std::sync::Arc;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_stands_between_braces_behind_the_callers_prefix() {
        let keys = Keys::new("app:", "chronos");
        assert_eq!(&*keys.record, "app:primary:{chronos}");
        assert_eq!(&*keys.changes, "app:primary:{chronos}:changes");
    }
}
