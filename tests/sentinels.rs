//! Where the master is found, with sentinels that say what a test wants. Real ones are in
//! `__test__/sentinel.test.ts`.

mod strange_server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use primary_lease::election::{Command, Failure, Reply, Request, Time};
use primary_lease::store::{Endpoint, RedisSource, RedisStore, SentinelSource, Store, Target};
use strange_server::{Heard, Said, StrangeServer};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

/// Longer than any machine needs; every wait ends with what it waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a sentinel says.
#[derive(Clone, Default)]
struct Knowledge {
    /// Nothing where it does not know the name.
    master: Option<(String, u16)>,
    config_epoch: u64,
    others: Vec<u16>,
}

fn names(port: u16, config_epoch: u64) -> Knowledge {
    Knowledge {
        master: Some(("127.0.0.1".into(), port)),
        config_epoch,
        others: Vec::new(),
    }
}

fn list(parts: &[String]) -> String {
    let parts = parts
        .iter()
        .map(|part| format!("${}\r\n{part}\r\n", part.len()));
    let (count, parts) = (parts.len(), parts.collect::<String>());
    format!("*{count}\r\n{parts}")
}

impl Knowledge {
    fn answer(&self, command: &Heard) -> Said {
        let about: &str = match command.name() {
            "SENTINEL" => &command.words[1],
            "ROLE" => return Said::Raw(b"*2\r\n$8\r\nsentinel\r\n*1\r\n$4\r\nmain\r\n"),
            "SUBSCRIBE" => return Said::Raw(SUBSCRIBED),
            _ => return Said::Redis,
        };
        let known = self.master.as_ref().filter(|_| command.words[2] == "main");
        Said::Bytes(match (about, known) {
            ("GET-MASTER-ADDR-BY-NAME", None) => b"_\r\n".into(),
            (_, None) => b"-ERR No such master with that name\r\n".into(),
            ("GET-MASTER-ADDR-BY-NAME", Some((host, port))) => {
                list(&[host.clone(), port.to_string()]).into()
            }
            ("MASTER", _) => {
                let fields = [
                    "name",
                    "main",
                    "config-epoch",
                    &self.config_epoch.to_string(),
                ];
                list(&fields.map(String::from)).into()
            }
            (_, _) => {
                let others = self.others.iter().map(|port| {
                    let port = port.to_string();
                    let fields = ["ip", "127.0.0.1", "port", &port, "flags", "sentinel"];
                    list(&fields.map(String::from))
                });
                let (count, others) = (others.len(), others.collect::<String>());
                format!("*{count}\r\n{others}").into()
            }
        })
    }

    async fn start(self) -> StrangeServer {
        StrangeServer::start(move |command| self.answer(command)).await
    }

    /// One that tells of another, and answers over its first connection alone.
    async fn that_leaves(mut self, other: &StrangeServer) -> StrangeServer {
        self.others.push(other.port);
        StrangeServer::start(move |command| match command.connection {
            1 => self.answer(command),
            _ => Said::HangUp,
        })
        .await
    }
}

const SUBSCRIBED: &[u8] = b">3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n";
const SWITCHED: &[u8] =
    b">3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$35\r\nmain 127.0.0.1 7001 127.0.0.1 70021\r\n";

async fn master() -> StrangeServer {
    StrangeServer::start(|_| Said::Redis).await
}

fn by(sentinels: &[&StrangeServer]) -> SentinelSource {
    let at = |server: &&StrangeServer| Endpoint {
        host: "127.0.0.1".into(),
        port: server.port,
    };
    SentinelSource {
        name: "main".into(),
        sentinels: sentinels.iter().map(at).collect(),
        ..SentinelSource::default()
    }
}

fn open(sentinel: SentinelSource) -> RedisStore {
    let source = RedisSource {
        sentinel: Some(Box::new(sentinel)),
        ..RedisSource::default()
    };
    RedisStore::open(source, &Handle::current())
}

async fn ask(store: &RedisStore, bound: Duration) -> Result<Reply, Failure> {
    let target = Target {
        name: "chronos".into(),
        server: "server one".into(),
        entry: "1 0 - server".into(),
    };
    let request = Request {
        id: 1,
        sent_at: Time::ZERO,
        bound,
        command: Command::Inspect,
    };
    let answer = timeout(bound + PATIENCE, store.send(&target, &request)).await;
    answer.expect("a command outlived its bound")
}

async fn asked(store: &RedisStore) {
    ask(store, PATIENCE).await.unwrap();
}

/// Asks until this server is asked. What is on its way as a connection ends has an unknown outcome.
async fn asked_of(server: &StrangeServer, store: &RedisStore) {
    let asking = timeout(PATIENCE, async {
        while scripts(server) == 0 {
            let _ = ask(store, PATIENCE).await;
            sleep(Duration::from_millis(5)).await;
        }
    });
    asking.await.expect("the connection stays where it is");
}

async fn refusal(store: &RedisStore) -> Failure {
    ask(store, Duration::from_secs(2)).await.unwrap_err()
}

fn scripts(server: &StrangeServer) -> usize {
    let heard = server.heard();
    heard
        .iter()
        .filter(|heard| heard.name().starts_with("EVAL"))
        .count()
}

fn questions(server: &StrangeServer) -> usize {
    let asks = |heard: &&Heard| {
        heard
            .words
            .get(1)
            .is_some_and(|word| word == "GET-MASTER-ADDR-BY-NAME")
    };
    server.heard().iter().filter(asks).count()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

#[tokio::test]
async fn the_master_of_the_latest_failover_is_found_however_few_know_it() {
    let (old, new) = (master().await, master().await);
    let late = names(old.port, 1).start().await;
    let leader = names(new.port, 2).start().await;
    asked(&open(by(&[&late, &leader, &late]))).await;
    assert_eq!((scripts(&old), scripts(&new)), (0, 1));
}

#[tokio::test]
async fn what_says_that_it_is_no_master_is_asked_again_within_the_bound() {
    let roles = AtomicUsize::new(0);
    let promoted = StrangeServer::start(move |command| match command.name() {
        "ROLE" if roles.fetch_add(1, Ordering::SeqCst) < 3 => Said::Raw(b"*1\r\n$5\r\nslave\r\n"),
        _ => Said::Redis,
    });
    let promoted = promoted.await;
    let sentinel = names(promoted.port, 1).start().await;
    asked(&open(by(&[&sentinel]))).await;
}

#[tokio::test]
async fn what_stays_no_master_is_said() {
    let replica = StrangeServer::start(|command| match command.name() {
        "ROLE" => Said::Raw(b"*1\r\n$5\r\nslave\r\n"),
        _ => Said::Redis,
    });
    let replica = replica.await;
    let sentinel = names(replica.port, 1).start().await;
    let failure = refusal(&open(by(&[&sentinel]))).await;
    assert!(matches!(failure, Failure::Refused { .. }), "{failure:?}");
    assert!(failure.cause().contains("is a replica"), "{failure:?}");
}

#[tokio::test]
async fn a_sentinel_that_never_answers_keeps_nobody_from_the_others() {
    let master = master().await;
    let hung = StrangeServer::start(|_| Said::Nothing).await;
    let sentinel = names(master.port, 1).start().await;
    asked(&open(by(&[&hung, &sentinel, &hung]))).await;
}

#[tokio::test]
async fn nor_from_an_answer_in_little_time() {
    let master = master().await;
    let hung = StrangeServer::start(|_| Said::Nothing).await;
    let sentinel = names(master.port, 1).start().await;
    let store = open(by(&[&hung, &sentinel]));
    // Whoever subscribes has time; who asks has not.
    let target = Target {
        name: "chronos".into(),
        server: "server one".into(),
        entry: "1 0 - server".into(),
    };
    let _messages = store.subscribe(&target);
    ask(&store, Duration::from_secs(1)).await.unwrap();
}

#[tokio::test]
async fn a_sentinel_that_names_nobody_with_a_high_epoch_is_outvoted() {
    let master = master().await;
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let nobody = closed.local_addr().unwrap().port();
    drop(closed);
    let liar = names(nobody, 99).start().await;
    let honest = names(master.port, 1).start().await;
    asked(&open(by(&[&liar, &honest, &honest]))).await;
}

#[tokio::test]
async fn while_the_latest_master_is_silent_the_one_before_is_not_used() {
    let old = master().await;
    let silent = StrangeServer::start(|_| Said::Nothing).await;
    let leader = names(silent.port, 2).start().await;
    let late = names(old.port, 1).start().await;
    let failure = refusal(&open(by(&[&leader, &late, &late]))).await;
    assert!(matches!(failure, Failure::Unknown { .. }), "{failure:?}");
    assert_eq!((old.connections(), scripts(&old)), (0, 0));
}

#[tokio::test]
async fn who_waits_for_a_silent_master_goes_to_another_when_it_is_found() {
    let silent = StrangeServer::start(|_| Said::Nothing).await;
    let (old, new) = (silent.port, master().await);
    let (known, port) = (AtomicUsize::new(0), new.port);
    let sentinel = StrangeServer::start(move |command| match command.name() {
        "SUBSCRIBE" => Said::Flood(SUBSCRIBED.to_vec(), SWITCHED.to_vec()),
        "SENTINEL" if known.fetch_add(1, Ordering::SeqCst) < 9 => names(old, 1).answer(command),
        _ => names(port, 2).answer(command),
    });
    let sentinel = sentinel.await;
    let store = RedisStore::open(
        RedisSource {
            sentinel: Some(Box::new(by(&[&sentinel]))),
            connect_timeout: 3 * PATIENCE,
            ..RedisSource::default()
        },
        &Handle::current(),
    );
    let begun = Instant::now();
    ask(&store, 2 * PATIENCE).await.unwrap();
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_name_that_no_sentinel_knows_is_denied_and_named() {
    let sentinel = Knowledge::default().start().await;
    let failure = refusal(&open(by(&[&sentinel]))).await;
    assert!(matches!(failure, Failure::Denied { .. }), "{failure:?}");
    assert!(
        failure.cause().contains("no master named 'main'"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn where_only_a_few_can_be_asked_and_do_not_know_the_name_that_may_pass() {
    let ignorant = Knowledge::default().start().await;
    let leaves = StrangeServer::start(|_| Said::HangUp).await;
    let failure = refusal(&open(by(&[&ignorant, &leaves, &leaves]))).await;
    assert!(!matches!(failure, Failure::Denied { .. }), "{failure:?}");
}

#[tokio::test]
async fn what_is_no_sentinel_is_denied_and_named() {
    let redis = StrangeServer::start(|command| match command.name() {
        "SENTINEL" => {
            Said::Error("ERR unknown command 'SENTINEL', with args beginning with: x".into())
        }
        _ => Said::Redis,
    });
    let redis = redis.await;
    let failure = refusal(&open(by(&[&redis]))).await;
    assert!(matches!(failure, Failure::Denied { .. }), "{failure:?}");
    let named = format!("unknown command 'SENTINEL' (127.0.0.1:{})", redis.port);
    assert!(failure.cause().contains(&named), "{failure:?}");
}

#[tokio::test]
async fn a_sentinels_refusal_of_a_password_is_told_without_it() {
    let strict = StrangeServer::start(|command| match command.name() {
        "HELLO" | "AUTH" => Said::Error(format!("WRONGPASS not {}", command.words.last().unwrap())),
        _ => Said::Error("NOAUTH Authentication required.".into()),
    });
    let strict = strict.await;
    let store = open(SentinelSource {
        password: Some("hush".into()),
        ..by(&[&strict])
    });
    let failure = refusal(&store).await;
    assert!(matches!(failure, Failure::Denied { .. }), "{failure:?}");
    assert!(!failure.cause().contains("hush"), "{failure:?}");
    let heard = strict.heard();
    let given = |heard: &Heard| heard.words.iter().any(|word| word == "hush");
    assert!(heard.iter().any(given), "{heard:?}");
}

#[tokio::test]
async fn a_sentinel_that_speaks_the_older_protocol_alone_is_understood() {
    let (old, new) = (master().await, master().await);
    let at = Arc::new(AtomicU16::new(old.port));
    let known = at.clone();
    let sentinel = StrangeServer::start(move |command| match command.name() {
        "HELLO" => Said::Error("ERR unknown command 'HELLO'".into()),
        "SUBSCRIBE" => {
            let subscribed = b"*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n";
            let mut switched = SWITCHED.to_vec();
            switched[0] = b'*';
            Said::Flood(subscribed.to_vec(), switched)
        }
        _ => names(known.load(Ordering::SeqCst), 1).answer(command),
    });
    let store = open(by(&[&sentinel.await]));
    asked(&store).await;
    at.store(new.port, Ordering::SeqCst);
    until("the other master is used", || new.connections() > 0).await;
    asked_of(&new, &store).await;
}

#[tokio::test]
async fn a_connection_ends_when_another_master_is_named_and_found() {
    let (old, new) = (master().await, master().await);
    let at = Arc::new(AtomicU16::new(old.port));
    let known = at.clone();
    let sentinel = StrangeServer::start(move |command| match command.name() {
        "SUBSCRIBE" => Said::Flood(SUBSCRIBED.to_vec(), SWITCHED.to_vec()),
        _ => names(known.load(Ordering::SeqCst), 1).answer(command),
    });
    let sentinel = sentinel.await;
    let store = open(by(&[&sentinel]));
    asked(&store).await;
    // However often it is said that there is another master: the answers decide.
    let before = questions(&sentinel);
    until("the sentinel is asked again", || {
        questions(&sentinel) > before
    })
    .await;
    asked(&store).await;
    assert_eq!((scripts(&old), scripts(&new)), (2, 0));
    at.store(new.port, Ordering::SeqCst);
    until("the other master is found", || new.connections() > 0).await;
    asked_of(&new, &store).await;
}

#[tokio::test]
async fn a_flood_of_failovers_costs_one_look_a_second() {
    let master = master().await;
    let known = names(master.port, 1);
    let sentinel = StrangeServer::start(move |command| match command.name() {
        "SUBSCRIBE" => Said::Flood(SUBSCRIBED.to_vec(), SWITCHED.repeat(1000)),
        _ => known.answer(command),
    });
    let sentinel = sentinel.await;
    let store = open(by(&[&sentinel]));
    asked(&store).await;
    let (begun, before) = (Instant::now(), questions(&sentinel));
    until("four looks", || questions(&sentinel) >= before + 4).await;
    assert!(
        begun.elapsed() > Duration::from_millis(2900),
        "{:?}",
        begun.elapsed()
    );
    asked(&store).await;
}

#[tokio::test]
async fn a_sentinel_that_another_tells_of_is_asked_and_heard_when_that_one_is_gone() {
    let (first, second) = (master().await, master().await);
    let other = names(second.port, 2).start().await;
    let given = names(first.port, 1).that_leaves(&other).await;
    let store = open(by(&[&given]));
    asked(&store).await;
    assert_eq!(questions(&given), 1);
    until("the master that only the other knows", || {
        second.connections() > 0
    })
    .await;
}

#[tokio::test]
async fn where_others_are_not_to_be_learned_nobody_else_is_asked() {
    let first = master().await;
    let other = names(first.port, 2).start().await;
    let known = Knowledge {
        others: vec![other.port],
        ..names(first.port, 1)
    };
    let given = StrangeServer::start(move |command| match command.name() {
        "SUBSCRIBE" => Said::Flood(SUBSCRIBED.to_vec(), SWITCHED.to_vec()),
        _ => known.answer(command),
    });
    let given = given.await;
    let store = open(SentinelSource {
        learns: false,
        ..by(&[&given])
    });
    asked(&store).await;
    until("it is asked again and again", || questions(&given) > 2).await;
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn an_announced_address_is_reached_where_the_nat_map_says() {
    let master = master().await;
    let announces = Knowledge {
        master: Some(("10.9.9.9".into(), 7000)),
        ..Knowledge::default()
    };
    let sentinel = announces.start().await;
    let to = Endpoint {
        host: "127.0.0.1".into(),
        port: master.port,
    };
    let store = open(SentinelSource {
        nat_map: [("10.9.9.9:7000".to_owned(), to)].into(),
        ..by(&[&sentinel])
    });
    asked(&store).await;
    assert_eq!(scripts(&master), 1);
}
