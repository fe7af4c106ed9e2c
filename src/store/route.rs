use std::future::pending;
use std::sync::Arc;

use super::RedisSource;
use super::connection::{Connection, Unopened};
use super::deadline::Deadline;
use super::sentinel::{News, Sentinels};
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
        let sentinels = given.map(|given| Sentinels::new(source.clone(), given));
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

    /// What is heard of the master from now on.
    pub fn news(&self) -> RouteNews {
        RouteNews(self.sentinels.as_ref().map(|sentinels| sentinels.news()))
    }
}

/// Nothing where there is nobody to tell.
pub(super) struct RouteNews(Option<News>);

impl RouteNews {
    /// Waits until a master is found elsewhere than the last time. Dropping the future loses nothing.
    pub async fn next(&mut self) {
        match &mut self.0 {
            Some(news) => news.next().await,
            None => pending().await,
        }
    }
}
