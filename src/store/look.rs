//! Looks at elections and run leases without taking part in them: plain reads over a connection of its own, which
//! is closed when they are answered. No script: a user who may only read can look.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all, join4};
use redis::{Cmd, cmd};
use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, Unopened};
use super::deadline::Deadline;
use super::error::no_answer;
use super::keys::{Keys, Listed, RunKeys, names_of};
use super::route::Route;
use super::socket::Progress;
use super::words::told;
use super::{Answering, ElectionLook, ListLook, ListedLook, RedisSource};
use crate::election::Failure;
use reading::{
    FIELDS, answered, lease_of, micros, passing, record_of, roster_of, scan_of, unreadable,
};

mod reading;

/// Looks at one Redis.
#[derive(Debug)]
pub(super) struct Looks {
    source: Arc<RedisSource>,
    route: Route,
}

impl Looks {
    pub fn new(source: Arc<RedisSource>, route: Route) -> Self {
        Looks { source, route }
    }

    pub fn election(&self, name: &str, within: Option<Duration>) -> Answering<ElectionLook> {
        let keys = Keys::new(self.source.place(), name);
        let (record, standbys) = (keys.record().to_string(), keys.standbys().to_string());
        let looking = self.begin(within);
        Box::pin(async move {
            let connection = looking.connect().await?;
            looking
                .bound(look_at(&connection, &record, &standbys))
                .await
        })
    }

    pub fn list(&self, cursor: u64, within: Option<Duration>) -> Answering<ListLook> {
        let looking = self.begin(within);
        Box::pin(async move {
            let connection = looking.connect().await?;
            looking
                .bound(list_from(&connection, &looking.source, cursor))
                .await
        })
    }

    fn begin(&self, within: Option<Duration>) -> Looking {
        let longest = self.source.connect_timeout;
        let allowed = within.map_or(longest, |within| within.min(longest));
        Looking {
            source: self.source.clone(),
            route: self.route.clone(),
            allowed,
            until: Instant::now() + allowed,
        }
    }
}

/// One look, which has so long for all that it asks.
struct Looking {
    source: Arc<RedisSource>,
    route: Route,
    allowed: Duration,
    until: Instant,
}

impl Looking {
    async fn connect(&self) -> Result<Connection, Failure> {
        let (deadline, progress) = (Deadline::new(self.until), Progress::default());
        let opened = timeout_at(self.until, self.route.open(&deadline, &progress)).await;
        let failure = match opened {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(Unopened::Failed(failure) | Unopened::BrokenOff(failure))) => failure,
            Err(_) => Failure::Unknown {
                cause: progress.cause(self.allowed, &self.source.address()),
            },
        };
        Err(told(failure, &self.source))
    }

    async fn bound<T>(
        &self,
        asking: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let answered = timeout_at(self.until, asking).await;
        let answer = answered.unwrap_or_else(|_| {
            let cause = no_answer(self.allowed, &self.source.address()).into();
            Err(Failure::Unknown { cause })
        });
        answer.map_err(|failure| told(failure, &self.source))
    }
}

async fn look_at(
    connection: &Connection,
    key: &str,
    standbys: &str,
) -> Result<ElectionLook, Failure> {
    let roster = || standbys.as_bytes();
    let highest = command("ZREVRANGE", &[roster(), b"0", MOST_STANDBYS, b"WITHSCORES"]);
    let (time, record, standbys, count) = join4(
        connection.ask(cmd("TIME")),
        connection.ask(record_command(key)),
        connection.ask(highest),
        connection.ask(command("ZCARD", &[roster()])),
    )
    .await;
    Ok(ElectionLook {
        micros: micros(&answered(time)?)?,
        record: record_of(key, &answered(record)?)?,
        standbys: roster_of(standbys, count)?,
    })
}

async fn list_from(
    connection: &Connection,
    source: &RedisSource,
    mut cursor: u64,
) -> Result<ListLook, Failure> {
    let begun = Instant::now();
    let time = answered(connection.ask(cmd("TIME")).await)?;
    let mut look = ListLook {
        micros: micros(&time)?,
        ..ListLook::default()
    };
    let pattern = source.place().pattern();
    loop {
        let (at, step) = (cursor.to_string(), SCANNED.to_string());
        let scan = [at.as_bytes(), b"MATCH", pattern.as_bytes(), b"COUNT"];
        let mut scan = command("SCAN", &scan);
        scan.arg(&step);
        let scanned = answered(connection.ask(scan).await)?;
        let (next, found) = scan_of(&scanned).ok_or_else(unreadable)?;
        let names = found.iter().filter_map(|key| names_of(source.place(), key));
        let looks = join_all(names.map(|listed| look_at_listed(connection, source, listed))).await;
        for listed in looks {
            look.found.push(listed?);
        }
        look.scanned += SCANNED;
        cursor = next;
        if cursor == 0 || begun.elapsed() > SLICE || look.found.len() > MOST_LISTED {
            look.cursor = cursor;
            return Ok(look);
        }
    }
}

async fn look_at_listed(
    connection: &Connection,
    source: &RedisSource,
    listed: Listed,
) -> Result<(String, ListedLook), Failure> {
    let place = source.place();
    Ok(match listed {
        Listed::Election(name) => {
            let key = Keys::new(place, &name).record().to_string();
            let record = passing(connection.ask(record_command(&key)).await)?;
            let look = record.and_then(|record| record_of(&key, &record));
            (name, ListedLook::Election(look))
        }
        Listed::Lease(resource) => {
            let key = RunKeys::new(place, &resource).lease().to_string();
            let (value, left) = join(
                connection.ask(command("GET", &[key.as_bytes()])),
                connection.ask(command("PTTL", &[key.as_bytes()])),
            )
            .await;
            let look = match (passing(value)?, passing(left)?) {
                (Ok(value), Ok(left)) => lease_of(&key, &value, &left),
                (Err(failure), _) | (_, Err(failure)) => Err(failure),
            };
            (resource, ListedLook::Lease(look))
        }
    })
}

fn record_command(key: &str) -> Cmd {
    let mut fields = vec![key.as_bytes()];
    fields.extend(FIELDS.map(str::as_bytes));
    command("HMGET", &fields)
}

fn command(name: &str, arguments: &[&[u8]]) -> Cmd {
    let mut command = cmd(name);
    for argument in arguments {
        command.arg(*argument);
    }
    command
}

/// The last of the roster that is read: a thousand are more than anybody reads.
const MOST_STANDBYS: &[u8] = b"999";
/// Of how many keys SCAN tells at once: a fraction of a millisecond of the server's time.
const SCANNED: u64 = 1_000;
/// For so long a list is looked for before it is shown how far that is.
const SLICE: Duration = Duration::from_millis(300);
const MOST_LISTED: usize = 10_000;
