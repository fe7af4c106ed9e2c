//! The stores that runs use. An election's is kept by its campaign; a run is over soon, and the next
//! one is to find the connection open.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use napi::Env;

use super::error::{PrimaryLeaseError, Result};
use super::js::{self, Kind, Value};
use super::source;
use crate::driver::store;
use crate::store::Backend;

/// The store that was used last, by what it was asked for with.
#[derive(Default)]
pub struct Backends(RefCell<Option<Latest>>);

struct Latest {
    /// Where it was a URL: reading one anew costs more than comparing it.
    url: Option<String>,
    ttl: Duration,
    store: Arc<dyn Backend>,
}

impl Backends {
    pub fn of(&self, env: &Env, redis: Value, ttl: Duration) -> Result<Arc<dyn Backend>> {
        let url = match js::kind(redis)? {
            Kind::Text(url) => Some(url),
            _ => None,
        };
        let mut latest = self.0.borrow_mut();
        if let Some(latest) = &*latest
            && url.is_some()
            && latest.url == url
            && latest.ttl <= ttl
        {
            return Ok(latest.store.clone());
        }
        let source = source::read(env, redis)?;
        let store = store(&source, ttl).map_err(|error| PrimaryLeaseError::no_thread(&error))?;
        *latest = Some(Latest {
            url,
            ttl,
            store: store.clone(),
        });
        Ok(store)
    }
}
