//! A crowd of standbys, each over a connection of its own, and a release: few of them ask.

mod redis_server;

use std::sync::Arc;
use std::time::Duration;

use primary_lease::driver::{CampaignChange, Handle, Heartbeat, Start};
use primary_lease::election::{Config, MIN_TTL, Reason};
use primary_lease::store::{RedisSource, RedisStore, Target};
use redis_server::RedisServer;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const STANDBYS: usize = 200;
/// No poll falls into a vacancy.
const TTL: Duration = Duration::from_secs(600);
const FEW: u64 = 50;
/// A machine that lets nobody run for a while lets many ask at once: the best of several counts.
const VACANCIES: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

fn stand(
    server: &RedisServer,
    number: usize,
    ttl: Duration,
    told: &mpsc::UnboundedSender<usize>,
) -> Handle {
    let source = RedisSource::parse_url(&server.url()).unwrap();
    let told = told.clone();
    let handle = Handle::start(Start {
        store: Arc::new(RedisStore::open(source, &tokio::runtime::Handle::current())),
        target: Target {
            name: "crowd".into(),
            server: format!("server {number}").into(),
            entry: format!("{number} 0 - server {number}").into(),
        },
        config: Config::new(ttl),
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
    handle
}

/// How many scripts the server has run.
fn scripts(connection: &mut redis::Connection) -> u64 {
    let stats: String = redis::cmd("INFO")
        .arg("commandstats")
        .query(connection)
        .unwrap();
    let calls = stats.lines().filter_map(|line| {
        let counted = line
            .strip_prefix("cmdstat_eval:calls=")
            .or_else(|| line.strip_prefix("cmdstat_evalsha:calls="))?;
        counted.split(',').next()?.parse::<u64>().ok()
    });
    calls.sum()
}

fn subscribed(connection: &mut redis::Connection) -> usize {
    let mut ask = |command: &str, argument: Option<&str>| {
        redis::cmd("PUBSUB")
            .arg(command)
            .arg(argument)
            .query::<Vec<redis::Value>>(connection)
            .unwrap()
    };
    let channels = ask("CHANNELS", None);
    let Some(redis::Value::BulkString(channel)) = channels.first() else {
        return 0;
    };
    let channel = String::from_utf8_lossy(channel).into_owned();
    match ask("NUMSUB", Some(&channel))[..] {
        [_, redis::Value::Int(count)] => count as usize,
        ref other => panic!("{other:?}"),
    }
}

/// Until as many scripts were run for a while.
async fn quiet(connection: &mut redis::Connection) -> u64 {
    let mut seen = scripts(connection);
    loop {
        sleep(Duration::from_millis(300)).await;
        let now = scripts(connection);
        if now == seen {
            return seen;
        }
        seen = now;
    }
}

#[tokio::test]
async fn of_a_crowd_of_standbys_few_ask_for_one_vacancy() {
    let server = RedisServer::start();
    let mut connection = server.connect();
    let (told, mut elected) = mpsc::unbounded_channel();
    // A record that was released is taken at once.
    let first = stand(&server, STANDBYS, MIN_TTL, &told);
    timeout(PATIENCE, elected.recv()).await.unwrap().unwrap();
    first.resign(Reason::Resigned);
    quiet(&mut connection).await;
    let crowd: Vec<Handle> = (0..STANDBYS)
        .map(|number| stand(&server, number, TTL, &told))
        .collect();
    let mut primary = timeout(PATIENCE, elected.recv()).await.unwrap().unwrap();
    let all_stand = async {
        while subscribed(&mut connection) < STANDBYS || scripts(&mut connection) < STANDBYS as u64 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, all_stand).await.expect("all stand");
    let mut counted = Vec::new();
    for _ in 0..VACANCIES {
        let before = quiet(&mut connection).await;
        crowd[primary].resign(Reason::Resigned);
        let next = timeout(PATIENCE, elected.recv()).await.unwrap().unwrap();
        assert_ne!(next, primary);
        primary = next;
        counted.push(quiet(&mut connection).await - before);
        if counted.last().is_some_and(|count| *count <= FEW) {
            break;
        }
    }
    let least = counted.iter().min().unwrap();
    assert!(*least <= FEW, "{counted:?}");
}
