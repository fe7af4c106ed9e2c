//! Many standbys of one election, each over a connection of its own, and a primary that resigns: how many scripts
//! that costs, and how soon the place is filled. Candidates of one process share a connection and an answer, so
//! this is not to be had from JavaScript with fewer than so many processes.
//!
//! `cargo run --example standbys -- <redis url> <crowds> <standbys>` prints JSON of so many crowds.
#![expect(
    clippy::disallowed_methods,
    reason = "it measures how long something takes"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use primary_lease::driver::{CampaignChange, Handle, Heartbeat, Start};
use primary_lease::election::{Config, MIN_TTL, Reason};
use primary_lease::store::{RedisSource, RedisStore, Target};
use tokio::sync::mpsc;
use tracing::Span;

/// Of one candidate.
type Change = (usize, CampaignChange);

/// Of one crowd. A standby obeys only a few messages between two polls.
const ROUNDS: usize = 3;
/// So long that hardly a poll of a standby, one every half of it, falls into a vacancy.
const TTL: Duration = Duration::from_secs(120);
/// A standby's caller is answered when the record has been seen to change.
const RENEW_INTERVAL: Duration = Duration::from_millis(500);
/// All have asked by then who may.
const ALL_HAVE_ASKED: Duration = Duration::from_millis(500);
/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

struct Crowd {
    candidates: Vec<Handle>,
    changes: mpsc::UnboundedReceiver<Change>,
    primary: usize,
}

/// What one vacancy cost.
struct Vacancy {
    scripts: u64,
    filled_after: Duration,
}

impl Crowd {
    /// One primary and so many standbys, which have all been told who is primary.
    async fn gather(source: &RedisSource, name: &str, standbys: usize) -> Crowd {
        let (told, changes) = mpsc::unbounded_channel();
        let candidate = |number: usize| candidate(source, name, number, TTL, told.clone());
        let mut crowd = Crowd {
            candidates: (0..=standbys).map(candidate).collect(),
            changes,
            primary: 0,
        };
        found(source, name).await;
        crowd.stand(0);
        crowd.primary = crowd.elected().await;
        for number in 1..=standbys {
            crowd.stand(number);
        }
        crowd.answered(standbys).await;
        crowd
    }

    fn stand(&self, number: usize) {
        self.candidates[number].listen(true);
        self.candidates[number].establish();
    }

    async fn next(&mut self) -> Change {
        let change = tokio::time::timeout(PATIENCE, self.changes.recv()).await;
        change.expect("it never came to that").unwrap()
    }

    /// The next who is elected.
    async fn elected(&mut self) -> usize {
        loop {
            if let (number, CampaignChange::Elected(_)) = self.next().await {
                return number;
            }
        }
    }

    /// Until so many callers have been answered.
    async fn answered(&mut self, mut count: usize) {
        while count > 0 {
            if let (_, CampaignChange::Answer { .. }) = self.next().await {
                count -= 1;
            }
        }
    }

    /// The primary resigns, and one of the others takes its place.
    async fn vacancy(&mut self, scripts: &mut impl FnMut() -> u64) -> Vacancy {
        let before = scripts();
        let released_at = Instant::now();
        let left = self.primary;
        self.candidates[left].resign(Reason::Resigned);
        self.primary = self.elected().await;
        let filled_after = released_at.elapsed();
        tokio::time::sleep(ALL_HAVE_ASKED).await;
        let after = scripts();
        // Neither the release nor the renewals of the new primary are the crowd's.
        let own = 1 + (ALL_HAVE_ASKED.as_millis() / RENEW_INTERVAL.as_millis()) as u64;
        self.stand(left);
        self.answered(1).await;
        Vacancy {
            scripts: (after - before).saturating_sub(own),
            filled_after,
        }
    }
}

/// A candidate over a connection of its own.
fn candidate(
    source: &RedisSource,
    name: &str,
    number: usize,
    ttl: Duration,
    told: mpsc::UnboundedSender<Change>,
) -> Handle {
    let store = RedisStore::open(source.clone(), &tokio::runtime::Handle::current());
    let mut config = Config::new(ttl);
    config.renew_interval = config.renew_interval.min(RENEW_INTERVAL);
    config.renew_spread = Duration::ZERO;
    Handle::start(Start {
        store: Arc::new(store),
        target: Target {
            name: name.into(),
            server: format!("server {number}").into(),
            entry: format!("{number} 0 - server {number}").into(),
        },
        config,
        sink: Box::new(move |change| drop(told.send((number, change)))),
        heartbeat: Heartbeat::start(|| {}).unwrap(),
        span: Span::none(),
    })
    .unwrap()
}

/// A missing record is watched for a ttl, a released one is taken at once.
async fn found(source: &RedisSource, name: &str) {
    let (told, mut changes) = mpsc::unbounded_channel();
    let founder = candidate(source, name, 0, MIN_TTL, told);
    founder.listen(true);
    founder.establish();
    while let Some((_, change)) = changes.recv().await {
        match change {
            CampaignChange::Elected(_) => drop(founder.resign(Reason::Resigned)),
            CampaignChange::Ended { .. } => return,
            _ => {}
        }
    }
}

/// How many scripts the server has run.
fn script_calls(connection: &mut redis::Connection) -> u64 {
    let stats: String = redis::cmd("INFO")
        .arg("commandstats")
        .query(connection)
        .unwrap();
    let calls = |line: &str| {
        let rest = line.strip_prefix("cmdstat_eval")?;
        let calls = rest.split("calls=").nth(1)?.split(',').next()?;
        calls.parse::<u64>().ok()
    };
    stats.lines().filter_map(calls).sum()
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, crowds, standbys] = &arguments[..] else {
        panic!("standbys <redis url> <crowds> <standbys>");
    };
    let (crowds, standbys): (usize, usize) = (crowds.parse().unwrap(), standbys.parse().unwrap());
    let source = RedisSource::parse_url(url).unwrap();
    let client = redis::Client::open(url.as_str()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut script_calls = || script_calls(&mut connection);
    let mut vacancies = Vec::new();
    for number in 0..crowds {
        let name = format!("crowd-{number}-of-{standbys}");
        let mut crowd = Crowd::gather(&source, &name, standbys).await;
        for _ in 0..ROUNDS {
            vacancies.push(crowd.vacancy(&mut script_calls).await);
        }
    }
    let scripts: Vec<u64> = vacancies.iter().map(|vacancy| vacancy.scripts).collect();
    let filled = vacancies.iter().map(|vacancy| vacancy.filled_after);
    let filled_us: Vec<u128> = filled.map(|time| time.as_micros()).collect();
    println!(r#"{{"scripts": {scripts:?}, "filledUs": {filled_us:?}}}"#);
}
