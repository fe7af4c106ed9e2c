//! Who waits for which resource in this process: first come, first served.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::store::RunStore;

/// By the address of the store, which lives as long as anybody waits, and the resource.
type Turns = HashMap<(usize, Arc<str>), Weak<Turn<()>>>;

static TURNS: LazyLock<Mutex<Turns>> = LazyLock::new(Mutex::default);

/// Waits until everybody who came before has been granted the lease of `resource`, or has given up.
/// It is the caller's turn until the guard is dropped.
pub async fn turn(store: &Arc<dyn RunStore>, resource: &Arc<str>) -> OwnedMutexGuard<()> {
    let address = Arc::as_ptr(store).cast::<()>() as usize;
    let turn = {
        let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        let present = turns.entry((address, resource.clone())).or_default();
        present.upgrade().unwrap_or_else(|| {
            let turn = Arc::default();
            *present = Arc::downgrade(&turn);
            turn
        })
    };
    turn.lock_owned().await
}
