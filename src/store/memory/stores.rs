//! The stores in memory of this process, by their names.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::MemoryStore;

#[derive(Default)]
struct Stores {
    by_name: HashMap<String, Arc<MemoryStore>>,
    /// New ones since the last look for those that are not used.
    made: usize,
}

static STORES: LazyLock<Mutex<Stores>> = LazyLock::new(Mutex::default);

impl MemoryStore {
    /// The store of this name; the first call makes it. Its clock, in microseconds since 1970, is what
    /// tokens are minted from.
    pub fn named(name: &str, wall_micros: fn() -> u64) -> Arc<MemoryStore> {
        named(name, || MemoryStore::new(name, wall_micros))
    }
}

/// The store of this name, made where there is none. One that nobody has in hand and that keeps nothing
/// is forgotten when as many new ones have been made as there are.
fn named(name: &str, make: impl FnOnce() -> MemoryStore) -> Arc<MemoryStore> {
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(store) = stores.by_name.get(name) {
        return store.clone();
    }
    if stores.made >= (stores.by_name.len() / 2).max(SELDOM) {
        stores.made = 0;
        // Nobody comes by one while this is locked.
        stores
            .by_name
            .retain(|_, store| Arc::strong_count(store) > 1 || !store.is_idle());
        let used = stores.by_name.len();
        stores.by_name.shrink_to(2 * used);
    }
    let store = Arc::new(make());
    stores.made += 1;
    stores.by_name.insert(name.to_owned(), store.clone());
    store
}

/// How many of these names have a store.
#[cfg(test)]
pub fn count(is_counted: impl Fn(&str) -> bool) -> usize {
    let stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    stores
        .by_name
        .keys()
        .filter(|name| is_counted(name))
        .count()
}

const SELDOM: usize = 16;
