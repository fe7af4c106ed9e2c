//! The stores of this process: one for all that ask the same server in the same way.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use super::clock::{now, wall_micros};
use super::runtime;
use crate::election::Time;
use crate::store::{Backend, MemoryStore, RedisSource, RedisStore, Source};

static STORES: LazyLock<Mutex<Kept<RedisStore>>> = LazyLock::new(Mutex::default);

/// The store of `source`.
///
/// # Errors
///
/// When the background thread cannot be started.
pub fn store(source: &Source) -> io::Result<Arc<dyn Backend>> {
    Ok(match source {
        Source::Redis(source) => {
            let runtime = runtime()?;
            let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
            let open = || RedisStore::open(source.clone(), runtime);
            stores.get_or_open(source, now(), open)
        }
        Source::Memory { name } => MemoryStore::named(name, wall_micros),
    })
}

/// The connections of this process: where each goes, and what [`RedisStore::metrics`] says of it.
pub fn connections() -> Vec<(String, [u64; 7])> {
    let stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    let all = stores.0.values();
    all.map(|(store, _)| (store.source().to_string(), store.metrics()))
        .collect()
}

/// What was opened by source. It is kept between two uses, so that callers who take turns with several
/// sources find their connections open; a store closes one that nobody uses by itself.
#[derive(Debug)]
struct Kept<S>(HashMap<RedisSource, (Arc<S>, Time)>);

impl<S> Kept<S> {
    fn get_or_open(&mut self, source: &RedisSource, now: Time, open: impl FnOnce() -> S) -> Arc<S> {
        // A server that came first has named the connection.
        let key = source.unnamed();
        if let Some((store, used_at)) = self.0.get_mut(&key) {
            *used_at = now;
            return store.clone();
        }
        // Who uses ever new sources must not fill the memory with them.
        self.0.retain(|_, (store, used_at)| {
            Arc::strong_count(store) > 1 || now.since(*used_at) < KEPT
        });
        let store = Arc::new(open());
        self.0.insert(key, (store.clone(), now));
        store
    }
}

impl<S> Default for Kept<S> {
    fn default() -> Self {
        Kept(HashMap::new())
    }
}

/// Longer than a store keeps a connection that nobody uses.
const KEPT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn source(db: u32) -> RedisSource {
        RedisSource {
            db,
            ..RedisSource::default()
        }
    }

    #[test]
    fn sources_that_take_turns_keep_their_stores() {
        let mut kept = Kept::default();
        let start = Time::ZERO;
        for turn in 0..10 {
            for db in 0..3 {
                let at = start + Duration::from_secs(turn);
                assert_eq!(*kept.get_or_open(&source(db), at, || (turn, db)), (0, db));
            }
        }
    }

    #[test]
    fn sources_that_differ_in_the_name_of_the_connection_alone_share_a_store() {
        let mut kept = Kept::default();
        let named = |name: &str| RedisSource {
            connection_name: Some(name.into()),
            ..source(0)
        };
        assert_eq!(*kept.get_or_open(&named("a"), Time::ZERO, || 'a'), 'a');
        assert_eq!(*kept.get_or_open(&named("b"), Time::ZERO, || 'b'), 'a');
        assert_eq!(*kept.get_or_open(&source(1), Time::ZERO, || 'c'), 'c');
    }

    #[test]
    fn a_store_that_nobody_has_used_for_long_is_let_go_of_with_the_next_new_one() {
        let mut kept = Kept::default();
        let held = kept.get_or_open(&source(0), Time::ZERO, || 0);
        let unused = Arc::downgrade(&kept.get_or_open(&source(1), Time::ZERO, || 1));
        kept.get_or_open(&source(2), Time::ZERO + KEPT / 2, || 2);
        assert!(unused.upgrade().is_some());
        kept.get_or_open(&source(3), Time::ZERO + KEPT, || 3);
        assert!(unused.upgrade().is_none());
        assert_eq!(kept.0.len(), 3);
        let again = kept.get_or_open(&source(0), Time::ZERO + KEPT, || 4);
        assert!(Arc::ptr_eq(&held, &again));
    }
}
