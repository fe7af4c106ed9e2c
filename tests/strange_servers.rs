//! Servers and proxies that are not quite Redis, and what a caller is told of them.

mod ask_run;
mod redis_server;
mod strange_server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ask_run::AskRun;
use primary_lease::election::run::{RunCommand, RunOutcome, RunRequest};
use primary_lease::election::{Command, Failure, Identity, Nonce, Reply, Request, Time, Token};
use primary_lease::store::{RedisSource, RedisStore, Store, Target};
use redis_server::RedisServer;
use strange_server::{Heard, Said, StrangeServer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

/// Longer than any machine needs; every wait ends with what it waits for.
const PATIENCE: Duration = Duration::from_secs(20);

fn at(port: u16) -> RedisSource {
    RedisSource::parse_url(&format!("redis://127.0.0.1:{port}")).unwrap()
}

fn open(source: RedisSource) -> RedisStore {
    RedisStore::open(source, &Handle::current())
}

async fn ask(store: &RedisStore, bound: Duration, command: Command) -> Result<Reply, Failure> {
    let target = Target {
        name: "chronos".into(),
        server: "server one".into(),
        entry: "1 0 - server".into(),
    };
    let request = Request {
        id: 1,
        sent_at: Time::ZERO,
        bound,
        command,
    };
    let answer = tokio::time::timeout(bound + PATIENCE, store.send(&target, &request)).await;
    answer.expect("a command outlived its bound")
}

async fn inspect(store: &RedisStore) -> Result<Reply, Failure> {
    ask(store, PATIENCE, Command::Inspect).await
}

fn acquire(ttl: Duration) -> Command {
    Command::Acquire {
        identity: Identity::new(1),
        ttl,
        floor: Token::NONE,
        watched: None,
        eager: None,
        rank: None,
        nonce: Nonce::new(7),
    }
}

async fn run(store: &RedisStore, bound: Duration, ttl: Duration) -> Result<RunOutcome, Failure> {
    let request = RunRequest {
        id: 1,
        sent_at: Time::ZERO,
        bound,
        patience: bound,
        command: RunCommand::Acquire {
            identity: Identity::new(1),
            ttl,
            tick: None,
        },
        tell_sent: false,
    };
    let answer = tokio::time::timeout(bound + PATIENCE, store.ask_run("mail", &request)).await;
    answer.expect("a command outlived its bound")
}

fn denied<T: std::fmt::Debug>(answer: Result<T, Failure>) -> Arc<str> {
    match answer {
        Err(Failure::Denied { cause }) => cause,
        other => panic!("not denied: {other:?}"),
    }
}

fn with_version(heard: &Heard) -> bool {
    heard.name() == "HELLO" && heard.words.len() > 1
}

/// What servers and proxies say to a HELLO that they do not want.
const REFUSALS: [(&str, &str); 14] = [
    ("Redis 4", "ERR unknown command 'HELLO'"),
    (
        "Redis 5",
        "ERR unknown command `HELLO`, with args beginning with: `3`, ",
    ),
    (
        "a renamed HELLO",
        "ERR unknown command 'hello', with args beginning with: '3' ",
    ),
    (
        "Redis 6 without the version",
        "NOPROTO unsupported protocol version",
    ),
    (
        "KeyDB",
        "NOPROTO sorry this protocol version is not supported",
    ),
    ("Envoy", "ERR unsupported command 'hello'"),
    ("an older Envoy", "unsupported command 'hello'"),
    ("Envoy that wants its own HELLO", "ERR invalid request"),
    ("twemproxy", "ERR Protocol error"),
    (
        "a proxy that reads the arguments",
        "ERR wrong number of arguments for 'hello' command",
    ),
    (
        "a proxy with a list of commands",
        "ERR command 'HELLO' is not allowed",
    ),
    (
        "a proxy with permissions",
        "NOPERM this user has no permissions to run the 'hello' command",
    ),
    ("a service", "ERR HELLO is disabled on this plan"),
    ("a syntax check", "ERR syntax error in HELLO option '3'"),
];

#[tokio::test]
async fn a_hello_that_is_refused_in_whatever_words_is_followed_by_the_older_protocol() {
    for (who, words) in REFUSALS {
        let server = StrangeServer::start(move |heard| match with_version(heard) {
            true => Said::Error(words.into()),
            false => Said::Redis,
        })
        .await;
        let answer = inspect(&open(at(server.port))).await;
        assert!(answer.is_ok(), "{who}: {answer:?}");
    }
}

#[tokio::test]
async fn a_password_is_given_in_the_older_protocol_too() {
    for words in [
        "NOAUTH Authentication required.",
        "ERR unknown command 'HELLO'",
    ] {
        let server = StrangeServer::start(move |heard| match heard.name() {
            "HELLO" => Said::Error(words.into()),
            "AUTH" if heard.words[1] != "right" => Said::Last(b"-ERR invalid password\r\n".into()),
            _ => Said::Redis,
        })
        .await;
        let source = |password: &str| RedisSource {
            password: Some(password.into()),
            ..at(server.port)
        };
        let answer = inspect(&open(source("right"))).await;
        assert!(answer.is_ok(), "{words}: {answer:?}");
        let cause = denied(inspect(&open(source("wrong"))).await);
        assert!(cause.contains("ERR invalid password"), "{cause}");
    }
}

#[tokio::test]
async fn a_hello_that_is_answered_by_hanging_up_is_followed_by_the_older_protocol() {
    let server = StrangeServer::start(|heard| match heard.name() {
        "HELLO" => Said::HangUp,
        _ => Said::Redis,
    })
    .await;
    inspect(&open(at(server.port))).await.unwrap();
}

#[tokio::test]
async fn a_proxy_that_hangs_up_at_most_commands_without_a_key_is_used_all_the_same() {
    let server = StrangeServer::start(|heard| match heard.name() {
        "EVAL" | "EVALSHA" | "AUTH" | "PING" => Said::Redis,
        _ => Said::HangUp,
    })
    .await;
    let source = RedisSource {
        password: Some("right".into()),
        ..at(server.port)
    };
    inspect(&open(source)).await.unwrap();
}

#[tokio::test]
async fn the_next_connection_tries_the_newer_protocol_again() {
    let server = StrangeServer::start(|heard| match heard.name() {
        "HELLO" if heard.connection == 1 => Said::Error("ERR not now".into()),
        "EVAL" if heard.connection <= 2 => Said::HangUp,
        _ => Said::Redis,
    })
    .await;
    let store = open(at(server.port));
    assert!(inspect(&store).await.is_err());
    inspect(&store).await.unwrap();
    let heard = server.heard();
    let last = heard.last().unwrap().connection;
    assert!(
        heard
            .iter()
            .any(|heard| heard.connection == last && with_version(heard)),
        "{heard:?}"
    );
}

#[tokio::test]
async fn what_is_said_of_credentials_or_passes_is_not_followed_by_another_protocol() {
    for (words, denial) in [
        (
            "NOAUTH HELLO must be called with the client already authenticated",
            true,
        ),
        (
            "WRONGPASS invalid username-password pair or user is disabled.",
            true,
        ),
        ("LOADING Redis is loading the dataset in memory", false),
        ("ERR max number of clients reached", false),
        ("BUSY Redis is busy running a script.", false),
    ] {
        let server = StrangeServer::start(move |_| Said::Error(words.into())).await;
        let answer = inspect(&open(at(server.port))).await;
        let cause: &str = match &answer {
            Err(Failure::Denied { cause }) if denial => cause,
            Err(Failure::Refused { cause }) if !denial => cause,
            _ => panic!("{words}: {answer:?}"),
        };
        assert!(cause.starts_with(words.trim_end_matches('.')), "{cause}");
        let address = format!("(127.0.0.1:{})", server.port);
        assert!(cause.ends_with(&address), "{cause}");
        assert_eq!(server.connections(), 1, "{words}");
    }
}

#[tokio::test]
async fn a_database_is_not_denied_by_a_server_that_is_loading_or_busy() {
    for words in [
        "LOADING Redis is loading the dataset in memory",
        "BUSY Redis is busy running a script.",
    ] {
        let passed = Arc::new(AtomicBool::new(false));
        let over = passed.clone();
        let server = StrangeServer::start(move |heard| match heard.name() {
            "SELECT" if !over.load(Ordering::SeqCst) => Said::Error(words.into()),
            _ => Said::Redis,
        })
        .await;
        let store = open(RedisSource {
            db: 4,
            ..at(server.port)
        });
        let answer = inspect(&store).await;
        assert!(matches!(answer, Err(Failure::Refused { .. })), "{answer:?}");
        passed.store(true, Ordering::SeqCst);
        while inspect(&store).await.is_err() {}
    }
}

#[tokio::test]
async fn what_a_server_says_is_escaped() {
    let words = "WRONGPASS \u{1b}[31mred\u{1b}[0m\u{7}\u{9b}2K and \u{202e}backwards";
    let server = StrangeServer::start(move |_| Said::Error(words.into())).await;
    let cause = denied(inspect(&open(at(server.port))).await);
    assert!(!cause.chars().any(char::is_control), "{cause:?}");
    assert!(!cause.contains('\u{202e}'), "{cause:?}");
    assert!(cause.contains("\\x1b[31mred"), "{cause:?}");
    // A script's own denial too.
    let server = StrangeServer::start(|heard| match heard.name() {
        "EVAL" => Said::Raw(b"*2\r\n$6\r\ndenied\r\n$7\r\na\x1b[2J\r\n\r\n"),
        _ => Said::Redis,
    })
    .await;
    let cause = denied(inspect(&open(at(server.port))).await);
    assert_eq!(
        &*cause,
        format!("a\\x1b[2J\\r\\n (127.0.0.1:{})", server.port)
    );
}

#[tokio::test]
async fn what_a_server_said_outlives_attempts_that_are_cut_short() {
    for words in [
        "LOADING Redis is loading the dataset in memory",
        "ERR max number of clients reached",
    ] {
        let connections = AtomicUsize::new(0);
        // Of three attempts one is told so, one hears nothing and one is hung up on.
        let server = StrangeServer::start(move |heard| {
            let first = heard.connection % 3 == 1;
            connections.fetch_max(heard.connection, Ordering::SeqCst);
            match first {
                true => Said::Last(format!("-{words}\r\n").into_bytes()),
                false if heard.connection % 3 == 2 => Said::Nothing,
                false => Said::HangUp,
            }
        })
        .await;
        let store = open(at(server.port));
        let address = format!("(127.0.0.1:{})", server.port);
        let mut told = 0;
        while told < 40 {
            let Err(failure) = ask(
                &store,
                Duration::from_millis(50),
                acquire(Duration::from_secs(1)),
            )
            .await
            else {
                panic!("answered");
            };
            let cause = failure.cause();
            // The first one may have come to its end before the server said anything.
            assert!(told == 0 || cause.starts_with(words), "{told}: {cause}");
            assert!(cause.ends_with(&address), "{cause}");
            told += usize::from(cause.starts_with(words));
        }
    }
}

#[tokio::test]
async fn whoever_comes_to_wait_for_an_attempt_under_way_bounds_it_too() {
    let server = StrangeServer::start(|heard| match heard.connection {
        1 => Said::Nothing,
        _ => Said::Redis,
    })
    .await;
    let store = open(at(server.port));
    let target = Target {
        name: "chronos".into(),
        server: "server one".into(),
        entry: "1 0 - server".into(),
    };
    // Who only listens may wait for all of the connectTimeout.
    let _messages = store.subscribe(&target);
    while server.heard().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let bound = at(server.port).connect_timeout / 2;
    ask(&store, bound, acquire(Duration::from_secs(1)))
        .await
        .unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_server_that_hangs_up_at_the_first_byte_is_asked_about_tls() {
    let server = StrangeServer::start(|_| Said::HangUp).await;
    let Err(failure) = ask(
        &open(at(server.port)),
        Duration::from_millis(500),
        Command::Inspect,
    )
    .await
    else {
        panic!("answered");
    };
    let cause = failure.cause();
    assert!(cause.contains("does it want TLS?"), "{cause}");
    assert!(
        cause.contains(&format!("127.0.0.1:{}", server.port)),
        "{cause}"
    );
}

#[tokio::test]
async fn a_server_of_another_kind_is_told_apart() {
    for (said, hint) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "not a Redis server?",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not a Redis server?"),
        (b"E\x00\x00\x00", "not a Redis server?"),
        // An alert of TLS: unexpected message.
        (b"\x15\x03\x03\x00\x02\x02\x0a", "does it want TLS?"),
    ] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut open = vec![];
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(said).await;
                open.push(stream);
            }
        });
        let answer = ask(
            &open(at(port)),
            Duration::from_millis(500),
            Command::Inspect,
        )
        .await;
        let Err(failure) = answer else {
            panic!("{answer:?}");
        };
        let cause = failure.cause();
        assert!(cause.contains(hint), "{cause}");
        assert!(cause.contains(&format!("127.0.0.1:{port}")), "{cause}");
        assert!(!cause.contains('\n'), "{cause:?}");
    }
}

#[tokio::test]
async fn without_evalsha_eval_is_used() {
    let server = RedisServer::start_with(&["--rename-command", "EVALSHA", ""]);
    let store = open(at(server.port));
    for _ in 0..3 {
        inspect(&store).await.unwrap();
    }
    let server = RedisServer::start();
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER")
        .arg("bob")
        .arg(&["on", ">secret", "~*", "&*", "+@all", "-evalsha"]);
    user.exec(&mut server.connect()).unwrap();
    let store = open(RedisSource {
        username: Some("bob".into()),
        password: Some("secret".into()),
        ..at(server.port)
    });
    for _ in 0..3 {
        inspect(&store).await.unwrap();
    }
    for words in [
        "unsupported command 'evalsha'",
        "ERR unknown command `EVALSHA`, with args",
    ] {
        let server = StrangeServer::start(move |heard| match heard.name() {
            "EVALSHA" => Said::Error(words.into()),
            _ => Said::Redis,
        })
        .await;
        let store = open(at(server.port));
        for _ in 0..3 {
            inspect(&store).await.unwrap();
        }
        // Found out once.
        let tried = server
            .heard()
            .iter()
            .filter(|heard| heard.name() == "EVALSHA")
            .count();
        assert_eq!(tried, 1, "{words}");
    }
}

#[tokio::test]
async fn a_command_that_cannot_be_done_without_is_denied_by_name() {
    let missing: [(&[&str], bool); 6] = [
        (&["EVAL", "EVALSHA"], true),
        (&["EVAL"], true),
        (&["TIME"], true),
        (&["HMGET"], false),
        (&["INFO"], false),
        (&["HSET"], false),
    ];
    for (commands, of_runs_too) in missing {
        let renamed: Vec<&str> = commands
            .iter()
            .flat_map(|command| ["--rename-command", command, ""])
            .collect();
        let server = RedisServer::start_with(&renamed);
        let permitted = RedisServer::start();
        let mut user = redis::cmd("ACL");
        user.arg("SETUSER")
            .arg("bob")
            .arg(&["on", ">secret", "~*", "&*", "+@all"]);
        user.arg(
            commands
                .iter()
                .map(|command| format!("-{command}"))
                .collect::<Vec<_>>(),
        );
        user.exec(&mut permitted.connect()).unwrap();
        let forbidden = RedisSource {
            username: Some("bob".into()),
            password: Some("secret".into()),
            ..at(permitted.port)
        };
        for source in [at(server.port), forbidden] {
            let named = |cause: Arc<str>| {
                assert!(
                    cause.to_uppercase().contains(commands[0]),
                    "{commands:?}: {cause}"
                );
                assert!(cause.contains(&source.address()), "{commands:?}: {cause}");
            };
            let store = open(source.clone());
            named(denied(
                ask(&store, PATIENCE * 100, acquire(Duration::from_secs(60))).await,
            ));
            if of_runs_too {
                let ttl = Duration::from_secs(60);
                named(denied(run(&store, PATIENCE * 100, ttl).await));
            }
        }
    }
    for command in ["GET", "SET"] {
        let server = RedisServer::start_with(&["--rename-command", command, ""]);
        let cause = denied(run(&open(at(server.port)), PATIENCE, Duration::from_secs(60)).await);
        assert!(
            cause.starts_with(&format!("{command} is refused")),
            "{cause}"
        );
    }
}
