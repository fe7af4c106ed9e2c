//! The stores of this process: one for all that ask the same server in the same way.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::clock::wall_micros;
use super::runtime;
use crate::store::{Backend, MemoryStore, RedisSource, RedisStore, Source};

static STORES: LazyLock<Mutex<HashMap<RedisSource, Weak<RedisStore>>>> =
    LazyLock::new(Mutex::default);

/// The store of `source`, for an election or a run with this ttl.
///
/// # Errors
///
/// When the background thread cannot be started.
pub fn store(source: &Source, ttl: Duration) -> io::Result<Arc<dyn Backend>> {
    Ok(match source {
        Source::Redis(source) => redis_store(source, ttl)?,
        Source::Memory { name } => MemoryStore::named(name, wall_micros),
    })
}

fn redis_store(source: &RedisSource, ttl: Duration) -> io::Result<Arc<RedisStore>> {
    let runtime = runtime()?;
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    stores.retain(|_, store| store.strong_count() > 0);
    let store = match stores.get(source).and_then(Weak::upgrade) {
        Some(store) => store,
        None => {
            let store = Arc::new(RedisStore::open(source.clone(), runtime.handle()));
            stores.insert(source.clone(), Arc::downgrade(&store));
            store
        }
    };
    store.note_ttl(ttl);
    Ok(store)
}
