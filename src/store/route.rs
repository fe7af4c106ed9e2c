use std::sync::Arc;

use super::RedisSource;
use super::connection::{Connection, Unopened};
use super::deadline::Deadline;
use super::sentinel::Sentinels;
use super::socket::Progress;

/// The way to the server of a source, for all of its connections: its address, or the sentinels that know
/// it.
#[derive(Clone, Debug)]
pub(super) struct Route {
    source: Arc<RedisSource>,
    sentinels: Option<Arc<Sentinels>>,
}

impl Route {
    pub fn new(source: Arc<RedisSource>) -> Self {
        let given = source.sentinel.clone();
        let sentinels = given.map(|given| Sentinels::new(source.clone(), *given));
        Route { source, sentinels }
    }

    /// Opens a connection to the master. Nobody waits for it past `deadline`.
    pub async fn open(
        &self,
        deadline: &Deadline,
        progress: &Progress,
    ) -> Result<Connection, Unopened> {
        match &self.sentinels {
            Some(sentinels) => sentinels.open(deadline, progress).await,
            None => Connection::open(&self.source, deadline.at(), progress).await,
        }
    }
}
