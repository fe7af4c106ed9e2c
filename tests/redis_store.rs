//! The connection of a store, against real servers, a proxy and servers that are none.

mod ask_run;
mod redis_server;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ask_run::AskRun;
use primary_lease::election::run::{RunCommand, RunOutcome, RunRequest};
use primary_lease::election::{
    Command, Failure, Identity, Message, Nonce, Outcome, Reply, Request, Time, Token,
};
use primary_lease::store::{RedisSource, RedisStore, Store, Target};
use redis_server::{RedisServer, free_port};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

/// Longer than any machine needs; every wait ends with what it waits for.
const PATIENCE: Duration = Duration::from_secs(20);

fn open(source: RedisSource) -> RedisStore {
    RedisStore::open(source, &Handle::current())
}

fn at(port: u16) -> RedisSource {
    RedisSource::parse_url(&format!("redis://127.0.0.1:{port}")).unwrap()
}

fn target() -> Target {
    Target {
        name: "chronos".into(),
        server: "server one".into(),
        entry: "1 0 - server".into(),
    }
}

fn request(bound: Duration, command: Command) -> Request {
    Request {
        id: 1,
        sent_at: Time::ZERO,
        bound,
        command,
    }
}

fn acquire() -> Command {
    Command::Acquire {
        identity: Identity::new(1),
        ttl: Duration::from_secs(60),
        floor: Token::NONE,
        watched: None,
        eager: None,
        rank: None,
        nonce: Nonce::new(7),
    }
}

async fn ask(store: &RedisStore, bound: Duration, command: Command) -> Result<Reply, Failure> {
    let sent = store.send(&target(), &request(bound, command));
    let late = bound + PATIENCE;
    let answer = tokio::time::timeout(late, sent).await;
    answer.expect("a command outlived its bound")
}

/// Asks for the lease of a run with a short ttl.
async fn ask_hastily(store: &RedisStore, bound: Duration) -> Result<RunOutcome, Failure> {
    let request = RunRequest {
        id: 1,
        sent_at: Time::ZERO,
        bound,
        patience: bound,
        command: RunCommand::Acquire {
            identity: Identity::new(1),
            ttl: Duration::from_millis(100),
            tick: None,
        },
        tell_sent: false,
    };
    store.ask_run("mail", &request).await
}

async fn until_answered(store: &RedisStore, command: Command) -> Reply {
    loop {
        match ask(store, PATIENCE, command.clone()).await {
            Ok(reply) => return reply,
            Err(Failure::Unknown { .. } | Failure::Refused { .. }) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(denied) => panic!("{denied:?}"),
        }
    }
}

async fn next(messages: &mut mpsc::UnboundedReceiver<Message>) -> Message {
    let waiting = tokio::time::timeout(PATIENCE, messages.recv());
    waiting
        .await
        .expect("no message came")
        .expect("the store ended")
}

fn denied(answer: Result<Reply, Failure>) -> Arc<str> {
    match answer {
        Err(Failure::Denied { cause }) => cause,
        other => panic!("not denied: {other:?}"),
    }
}

/// Passes bytes on, until it is told to swallow those of the connections that it has then.
struct Proxy {
    port: u16,
    connections: Arc<AtomicUsize>,
    hole: watch::Sender<usize>,
}

impl Proxy {
    async fn to(port: u16) -> Self {
        Proxy::far(port, Duration::ZERO).await
    }

    /// A server that is so far away: everything takes so long each way.
    async fn far(port: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            connections: Arc::default(),
            hole: watch::channel(0).0,
        };
        let (connections, hole) = (proxy.connections.clone(), proxy.hole.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::SeqCst) + 1;
                let mut hole = hole.subscribe();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let swallowed = async {
                        let _ = hole.wait_for(|last| number <= *last).await;
                    };
                    let (from_client, to_client) = client.split();
                    let (from_server, to_server) = server.split();
                    tokio::select! {
                        () = pass(from_client, to_server, delay) => return,
                        () = pass(from_server, to_client, delay) => return,
                        () = swallowed => (),
                    }
                    // Accepts everything and answers nothing until the client goes.
                    let _ = copy(&mut client, &mut tokio::io::sink()).await;
                });
            }
        });
        proxy
    }

    /// The connections of now never answer again; later ones do.
    fn swallow(&self) {
        self.hole
            .send_replace(self.connections.load(Ordering::SeqCst));
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        tokio::time::sleep(delay).await;
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_connection_that_never_answers_again_is_replaced() {
    let server = RedisServer::start();
    let proxy = Proxy::to(server.port).await;
    let store = open(at(proxy.port));
    ask(&store, PATIENCE, acquire()).await.unwrap();
    proxy.swallow();
    let answer = ask(&store, Duration::from_millis(200), Command::Inspect).await;
    let Err(Failure::Unknown { cause }) = answer else {
        panic!("{answer:?}");
    };
    assert!(cause.starts_with("no answer within 200 ms"), "{cause}");
    let reply = until_answered(&store, Command::Inspect).await;
    assert!(reply.record.is_some());
    assert_eq!(proxy.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_short_ttl_bounds_connecting_only_while_it_waits() {
    let server = RedisServer::start();
    // Two round trips of 24 ms; an eighth of 100 ms would never be enough.
    let proxy = Proxy::far(server.port, Duration::from_millis(12)).await;
    let store = open(at(proxy.port));
    ask_hastily(&store, PATIENCE).await.unwrap();
    let before = proxy.connections.load(Ordering::SeqCst);
    proxy.swallow();
    let lost = ask(&store, Duration::from_millis(200), acquire()).await;
    assert!(matches!(lost, Err(Failure::Unknown { .. })), "{lost:?}");
    until_answered(&store, acquire()).await;
    assert_eq!(proxy.connections.load(Ordering::SeqCst), before + 1);
}

#[tokio::test]
async fn a_short_ttl_that_always_waits_keeps_nobody_from_a_server_far_away() {
    let server = RedisServer::start();
    // Two round trips, which the short ttl leaves no time for.
    let proxy = Proxy::far(server.port, Duration::from_millis(100)).await;
    let store = Arc::new(open(at(proxy.port)));
    let hasty = store.clone();
    let hasty = tokio::spawn(async move {
        loop {
            let _ = ask_hastily(&hasty, Duration::from_millis(300)).await;
        }
    });
    let answered = until_answered(&store, acquire());
    let answered = tokio::time::timeout(PATIENCE, answered).await;
    answered.expect("nobody connects");
    hasty.abort();
}

#[tokio::test]
async fn one_timeout_fails_everything_else_on_its_connection_promptly() {
    let server = RedisServer::start();
    let proxy = Proxy::to(server.port).await;
    let store = open(at(proxy.port));
    ask(&store, PATIENCE, acquire()).await.unwrap();
    proxy.swallow();
    let patient = store.send(&target(), &request(PATIENCE * 100, Command::Inspect));
    let hasty = ask(&store, Duration::from_millis(100), Command::Inspect).await;
    assert!(matches!(hasty, Err(Failure::Unknown { .. })));
    let patient = tokio::time::timeout(PATIENCE, patient).await.unwrap();
    assert!(matches!(patient, Err(Failure::Unknown { .. })));
}

#[tokio::test]
async fn a_refused_port_is_an_unknown_outcome_with_the_cause_in_plain_words() {
    let port = free_port();
    let store = open(at(port));
    let answer = ask(&store, Duration::from_millis(150), Command::Inspect).await;
    let cause = format!("connection refused (127.0.0.1:{port})").into();
    assert_eq!(answer, Err(Failure::Unknown { cause }));
}

#[tokio::test]
async fn a_restart_is_survived_and_the_messages_come_again() {
    let mut server = RedisServer::start();
    let store = open(at(server.port));
    let mut messages = store.subscribe(&target());
    until_answered(&store, acquire()).await;
    next(&mut messages).await;
    server.restart_empty();
    // The first commands may go before the subscription.
    let mut watched = None;
    let heard = async {
        while messages.try_recv().is_err() {
            let mut command = acquire();
            if let Command::Acquire { watched: of, .. } = &mut command {
                *of = watched.take();
            }
            let reply = until_answered(&store, command).await;
            watched = reply.record.map(|record| record.version);
        }
    };
    let heard = tokio::time::timeout(PATIENCE, heard).await;
    heard.expect("no message came");
}

#[tokio::test]
async fn an_idle_connection_that_is_closed_is_opened_again_for_its_subscriptions() {
    let server = RedisServer::start();
    let proxy = Proxy::to(server.port).await;
    let store = open(at(proxy.port));
    let _messages = store.subscribe(&target());
    ask(&store, PATIENCE, acquire()).await.unwrap();
    let mut kill = redis::cmd("CLIENT");
    kill.arg(&["KILL", "TYPE", "pubsub", "SKIPME", "yes"]);
    kill.exec(&mut server.connect()).unwrap();
    let reopened = async {
        while proxy.connections.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reopened).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_nobody_uses_rests_until_the_next_command() {
    let mut server = RedisServer::start();
    let proxy = Proxy::to(server.port).await;
    let store = open(at(proxy.port));
    ask(&store, PATIENCE, acquire()).await.unwrap();
    let connections = || proxy.connections.load(Ordering::SeqCst);
    assert_eq!(connections(), 1);
    server.restart_empty();
    // Another store finds it up again, by trying for as long as it takes.
    until_answered(&open(at(server.port)), acquire()).await;
    assert_eq!(connections(), 1);
    until_answered(&store, acquire()).await;
    assert_eq!(connections(), 2);
}

#[tokio::test]
async fn a_connection_at_rest_is_closed_unless_somebody_subscribes() {
    let server = RedisServer::start();
    let named = |name: &str| {
        open(RedisSource {
            connection_name: Some(name.into()),
            ..at(server.port)
        })
    };
    let (resting, listening) = (named("resting"), named("listening"));
    let _messages = listening.subscribe(&target());
    for store in [&resting, &listening] {
        ask(store, PATIENCE, Command::Inspect).await.unwrap();
    }
    let mut own = server.connect();
    let mut clients = || -> String { redis::cmd("CLIENT").arg("LIST").query(&mut own).unwrap() };
    assert!(clients().contains("name=resting"));
    let closed = async {
        while clients().contains("name=resting") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let closed = tokio::time::timeout(PATIENCE * 2, closed).await;
    closed.expect("it is never closed");
    assert!(clients().contains("name=listening"));
    ask(&resting, PATIENCE, Command::Inspect).await.unwrap();
    assert!(clients().contains("name=resting"));
}

#[tokio::test]
async fn wrong_credentials_are_denied_at_once_and_never_repeated() {
    let server = RedisServer::start_with(&["--requirepass", "right"]);
    for password in [None, Some("wrong-secret".to_string())] {
        let store = open(RedisSource {
            password,
            ..at(server.port)
        });
        let cause = denied(ask(&store, PATIENCE * 100, Command::Inspect).await);
        assert!(
            cause.contains("NOAUTH") || cause.contains("WRONGPASS"),
            "{cause}"
        );
        assert!(!format!("{cause}{store:?}").contains("wrong-secret"));
    }
    let store = open(RedisSource {
        password: Some("right".into()),
        ..at(server.port)
    });
    ask(&store, PATIENCE, Command::Inspect).await.unwrap();
}

#[tokio::test]
async fn a_replica_is_not_used() {
    let master = RedisServer::start();
    let port = master.port.to_string();
    let server = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
    let answer = ask(&open(at(server.port)), PATIENCE, Command::Inspect).await;
    let Err(Failure::Refused { cause }) = answer else {
        panic!("{answer:?}");
    };
    assert!(cause.contains("replica"), "{cause}");
}

#[tokio::test]
async fn a_demoted_master_is_left() {
    let server = RedisServer::start();
    let store = open(at(server.port));
    until_answered(&store, acquire()).await;
    redis::cmd("FLUSHALL").exec(&mut server.connect()).unwrap();
    let mut demote = redis::cmd("REPLICAOF");
    demote.arg("127.0.0.1").arg(free_port());
    demote.exec(&mut server.connect()).unwrap();
    let renew = Command::Renew {
        identity: Identity::new(1),
        token: Token::new(1),
        ttl: Duration::from_secs(60),
        over: None,
        nonce: Nonce::new(7),
    };
    let answer = ask(&store, PATIENCE, renew).await;
    assert!(matches!(answer, Err(Failure::Refused { .. })), "{answer:?}");
    redis::cmd("REPLICAOF")
        .arg("NO")
        .arg("ONE")
        .exec(&mut server.connect())
        .unwrap();
    until_answered(&store, acquire()).await;
}

#[tokio::test]
async fn a_unix_socket_a_db_and_a_prefix_are_honoured() {
    let server = RedisServer::start();
    let store = open(RedisSource {
        path: Some(server.socket_path()),
        db: 4,
        key_prefix: "app:".into(),
        connection_name: Some("parabol".into()),
        ..RedisSource::default()
    });
    ask(&store, PATIENCE, acquire()).await.unwrap();
    let mut own = server.connect();
    redis::cmd("SELECT").arg(4).exec(&mut own).unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut own).unwrap();
    assert_eq!(keys, ["app:primary:{chronos}"]);
    let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut own).unwrap();
    assert!(clients.contains("name=parabol:primary-lease"), "{clients}");
}

#[tokio::test]
async fn a_db_that_does_not_exist_is_denied() {
    let server = RedisServer::start();
    let store = open(RedisSource {
        db: 99,
        ..at(server.port)
    });
    let cause = denied(ask(&store, PATIENCE, Command::Inspect).await);
    assert!(cause.contains("db 99"), "{cause}");
}

#[tokio::test]
async fn the_least_privileges_are_enough() {
    let server = RedisServer::start();
    let rules = "reset on >secret ~primary:* resetchannels &primary:* -@all +eval +evalsha +hset \
        +hmget +pexpire +time +publish +subscribe +unsubscribe +role +info +client|setname +select";
    let mut command = redis::cmd("ACL");
    command
        .arg("SETUSER")
        .arg("bob")
        .arg(rules.split_whitespace().collect::<Vec<_>>());
    command.exec(&mut server.connect()).unwrap();
    let store = open(RedisSource {
        username: Some("bob".into()),
        password: Some("secret".into()),
        ..at(server.port)
    });
    let mut messages = store.subscribe(&target());
    let reply = ask(&store, PATIENCE, acquire()).await.unwrap();
    assert_eq!(
        (reply.outcome, reply.listeners),
        (Outcome::Refused, Some(0))
    );
    next(&mut messages).await;
}

#[tokio::test]
async fn forgotten_scripts_are_sent_again() {
    let server = RedisServer::start();
    let store = open(at(server.port));
    ask(&store, PATIENCE, acquire()).await.unwrap();
    redis::cmd("SCRIPT")
        .arg("FLUSH")
        .exec(&mut server.connect())
        .unwrap();
    ask(&store, PATIENCE, acquire()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_busy_as_it_is_subscribed_to_is_subscribed_to_later() {
    let server = RedisServer::start_with(&["--lua-time-limit", "1"]);
    let mut endless = server.connect();
    let busy = std::thread::spawn(move || {
        let answer = redis::cmd("EVAL")
            .arg("while true do end")
            .arg(0)
            .exec(&mut endless);
        answer.expect_err("an endless script ended");
    });
    while redis::cmd("PING").exec(&mut server.connect()).is_ok() {}
    let store = open(at(server.port));
    let mut messages = store.subscribe(&target());
    loop {
        match ask(&store, PATIENCE, Command::Inspect).await {
            Err(Failure::Refused { cause }) if cause.starts_with("BUSY") => break,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    redis::cmd("SCRIPT")
        .arg("KILL")
        .exec(&mut server.connect())
        .unwrap();
    busy.join().unwrap();
    until_answered(&store, Command::Inspect).await;
    // The subscription was sent before the next command.
    until_answered(&store, acquire()).await;
    next(&mut messages).await;
}

#[tokio::test]
async fn the_last_receiver_ends_the_subscription_and_a_dropped_store_its_connection() {
    let server = RedisServer::start();
    let store = open(at(server.port));
    let (one, two) = (store.subscribe(&target()), store.subscribe(&target()));
    ask(&store, PATIENCE, acquire()).await.unwrap();
    let counts = |expected: u64| {
        let (_, count): (String, u64) = redis::cmd("PUBSUB")
            .arg(&["NUMSUB", "primary:{chronos}:changes:0"])
            .query(&mut server.connect())
            .unwrap();
        count == expected
    };
    assert!(counts(1));
    drop(one);
    ask(&store, PATIENCE, Command::Inspect).await.unwrap();
    assert!(counts(1));
    drop(two);
    while !counts(0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(store);
    let connected = || {
        let clients: String = redis::cmd("CLIENT")
            .arg("LIST")
            .query(&mut server.connect())
            .unwrap();
        clients.contains("primary-lease")
    };
    while connected() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn commands_leave_in_the_order_of_the_calls_whether_polled_or_not() {
    let server = RedisServer::start();
    let store = open(at(server.port));
    let shown = ask(&store, PATIENCE, acquire())
        .await
        .unwrap()
        .record
        .unwrap();
    let Command::Acquire {
        identity,
        ttl,
        floor,
        eager,
        rank: None,
        nonce,
        ..
    } = acquire()
    else {
        unreachable!();
    };
    let watched = Some(shown.version);
    let grant = Command::Acquire {
        identity,
        ttl,
        floor,
        watched,
        eager,
        rank: None,
        nonce,
    };
    // Nobody waits for the grant's answer; its release goes out behind it.
    drop(store.send(&target(), &request(PATIENCE, grant)));
    let release = Command::Release {
        identity,
        listeners: 0,
        reason: None,
        nonce,
    };
    let reply = ask(&store, PATIENCE, release).await.unwrap();
    assert_eq!(reply.outcome, Outcome::Released);
}

#[tokio::test]
async fn without_resp3_commands_work_and_no_message_comes() {
    let server = RedisServer::start_with(&["--rename-command", "HELLO", ""]);
    let store = open(at(server.port));
    let mut messages = store.subscribe(&target());
    ask(&store, PATIENCE, acquire()).await.unwrap();
    ask(&store, PATIENCE, Command::Inspect).await.unwrap();
    assert!(messages.try_recv().is_err());
    let secret =
        RedisServer::start_with(&["--rename-command", "HELLO", "", "--requirepass", "pw9"]);
    let source = |password: &str| RedisSource {
        password: Some(password.into()),
        ..at(secret.port)
    };
    ask(&open(source("pw9")), PATIENCE, Command::Inspect)
        .await
        .unwrap();
    let cause = denied(ask(&open(source("wrong9")), PATIENCE, Command::Inspect).await);
    assert!(!cause.contains("wrong9"), "{cause}");
}

#[tokio::test]
async fn a_server_that_is_none_is_an_unknown_outcome_within_the_bound() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut silent = vec![];
        while let Ok((stream, _)) = listener.accept().await {
            silent.push(stream);
        }
    });
    let store = open(at(port));
    let answer = ask(&store, Duration::from_millis(100), Command::Inspect).await;
    assert!(matches!(answer, Err(Failure::Unknown { .. })), "{answer:?}");
}

#[test]
fn a_command_that_a_busy_task_never_looks_at_ends_in_time_and_names_the_server() {
    // The connection's task is on a runtime that nobody drives, as one that is starved.
    let starved = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = RedisStore::open(at(6379), starved.handle());
    let bound = Duration::from_millis(20);
    let answer = runtime.block_on(ask(&store, bound, Command::Inspect));
    let Err(Failure::Unknown { cause }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(&*cause, "no answer within 20 ms (127.0.0.1:6379)");
}
