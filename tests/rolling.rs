//! How often the primary moves while six servers are restarted, one after the other, over a real server.

mod redis_server;

use std::sync::Arc;
use std::time::Duration;

use primary_lease::driver::{CampaignChange, Handle, Heartbeat, Start};
use primary_lease::election::{Config, MIN_TTL, Rank, Reason};
use primary_lease::store::{RedisSource, RedisStore, Target};
use redis_server::RedisServer;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const SERVERS: usize = 6;
/// No watch ripens, and no poll falls into a vacancy.
const TTL: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(60);

struct Rollout {
    server: RedisServer,
    name: String,
    /// Servers rank by their version.
    ranked: bool,
    told: mpsc::UnboundedSender<usize>,
    elected: mpsc::UnboundedReceiver<usize>,
}

impl Rollout {
    async fn start(&self, number: usize, ttl: Duration) -> Handle {
        let source = RedisSource::parse_url(&self.server.url()).unwrap();
        let mut config = Config::new(ttl);
        if self.ranked {
            let order = if number < SERVERS { "1~" } else { "2~" };
            config.rank = Rank::new(0, order).unwrap();
        }
        let told = self.told.clone();
        let before = self.standbys();
        let primary = self.elected.len();
        let handle = Handle::start(Start {
            store: Arc::new(RedisStore::open(source, &tokio::runtime::Handle::current())),
            target: Target {
                name: self.name.as_str().into(),
                server: format!("server {number}").into(),
                entry: format!("{number} 0 - server {number}").into(),
            },
            config,
            sink: Box::new(move |change| {
                if let CampaignChange::Elected(_) = change {
                    let _ = told.send(number);
                }
            }),
            heartbeat: Heartbeat::start(|| {}).unwrap(),
            span: tracing::Span::none(),
        })
        .unwrap();
        handle.listen(true);
        handle.establish();
        let stands = async {
            while self.standbys() == before && self.elected.len() == primary {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, stands).await.expect("it stands by");
        handle
    }

    fn standbys(&self) -> usize {
        let key = format!("primary:{{{}}}:standbys", self.name);
        let mut command = redis::cmd("ZCARD");
        command.arg(key).query(&mut self.server.connect()).unwrap()
    }

    /// How often the primary moved, and who was the last.
    async fn run(&mut self) -> (usize, usize) {
        // A record that was released is taken at once.
        let first = self.start(2 * SERVERS, MIN_TTL).await;
        self.next().await;
        first.resign(Reason::Resigned);
        let mut servers = Vec::new();
        for number in 0..SERVERS {
            servers.push(self.start(number, TTL).await);
        }
        let mut primary = self.next().await;
        let mut moves = 0;
        for old in 0..SERVERS {
            servers[old].resign(Reason::Resigned);
            if old == primary {
                primary = self.next().await;
                moves += 1;
            }
            servers.push(self.start(SERVERS + old, TTL).await);
        }
        (moves, primary)
    }

    async fn next(&mut self) -> usize {
        let next = timeout(PATIENCE, self.elected.recv()).await;
        next.expect("somebody is elected").unwrap()
    }
}

/// Of so many rollouts: the moves of each.
async fn rollouts(times: usize, ranked: bool) -> Vec<usize> {
    let mut moves = Vec::new();
    let mut server = RedisServer::start();
    for number in 0..times {
        let (told, elected) = mpsc::unbounded_channel();
        let mut rollout = Rollout {
            server,
            name: format!("rollout {number}"),
            ranked,
            told,
            elected,
        };
        let (moved, last) = rollout.run().await;
        if ranked {
            assert!(last >= SERVERS, "the last primary is an old server");
        }
        moves.push(moved);
        server = rollout.server;
    }
    moves
}

#[tokio::test]
async fn ranked_by_version_it_moves_twice_at_most_and_to_a_new_one() {
    let moves = rollouts(10, true).await;
    assert!(moves.iter().all(|moves| *moves <= 2), "{moves:?}");
}

#[tokio::test]
#[ignore = "a figure for the documents: how it is without a version"]
async fn without_a_version_it_moves_to_any_of_those_who_stand() {
    let moves = rollouts(100, false).await;
    let mean = moves.iter().sum::<usize>() as f64 / moves.len() as f64;
    println!(
        "{mean} in the mean, {:?} at most: {moves:?}",
        moves.iter().max()
    );
}
