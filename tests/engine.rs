//! What the one task of a connection sends in which order, and when it gives a command or the
//! connection up.

mod ask_run;
mod strange_server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ask_run::AskRun;
use futures_util::future::join_all;
use primary_lease::election::run::{RunCommand, RunOutcome, RunRequest};
use primary_lease::election::{Command, Failure, Identity, Reply, Request, Time};
use primary_lease::store::{Answering, RedisSource, RedisStore, Store, Target};
use strange_server::{Heard, Said, StrangeServer};
use tokio::runtime::Handle;

/// Longer than any machine needs; every wait ends with what it waits for.
const PATIENCE: Duration = Duration::from_secs(20);

fn open(server: &StrangeServer) -> RedisStore {
    let source = RedisSource::parse_url(&format!("redis://127.0.0.1:{}", server.port)).unwrap();
    RedisStore::open(source, &Handle::current())
}

fn target(name: &str) -> Target {
    Target {
        name: name.into(),
        server: "server one".into(),
        entry: "1 0 - server".into(),
    }
}

/// Asks for nothing but the record of an election.
fn inspect(store: &RedisStore, name: &str, bound: Duration) -> Answering<Reply> {
    let request = Request {
        id: 1,
        sent_at: Time::ZERO,
        bound,
        command: Command::Inspect,
    };
    store.send(&target(name), &request)
}

fn ask_for_run(
    store: &RedisStore,
    resource: &str,
    bound: Duration,
    command: RunCommand,
) -> Answering<RunOutcome> {
    let request = RunRequest {
        id: 1,
        sent_at: Time::ZERO,
        bound,
        patience: bound,
        command,
        tell_sent: false,
    };
    store.ask_run(resource, &request)
}

fn acquire(identity: u128) -> RunCommand {
    RunCommand::Acquire {
        identity: Identity::new(identity),
        ttl: Duration::from_secs(60),
        tick: None,
    }
}

fn withdraw(identity: u128) -> RunCommand {
    RunCommand::Withdraw {
        identity: Identity::new(identity),
        tick: None,
    }
}

async fn until(mut condition: impl FnMut() -> bool) {
    let met = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let met = tokio::time::timeout(PATIENCE, met).await;
    met.expect("it never came to that");
}

fn is_script(heard: &&Heard) -> bool {
    heard.name() == "EVAL" || heard.name() == "EVALSHA"
}

/// The first key of each script that came over a connection, in order.
fn keys(server: &StrangeServer, connection: usize) -> Vec<String> {
    let heard = server.heard();
    let scripts = heard.iter().filter(is_script);
    let over = scripts.filter(|heard| heard.connection == connection);
    over.map(|heard| heard.words[3].clone()).collect()
}

#[tokio::test]
async fn a_command_that_is_late_behind_others_fails_by_itself() {
    let server = StrangeServer::start(|heard| match is_script(&heard) {
        true => Said::Late(Duration::from_millis(40)),
        false => Said::Redis,
    })
    .await;
    let store = open(&server);
    inspect(&store, "first", PATIENCE).await.unwrap();
    let ahead: Vec<_> = (0..25)
        .map(|n| inspect(&store, &format!("ahead{n}"), PATIENCE))
        .collect();
    // A second of work lies before it.
    let late = inspect(&store, "late", Duration::from_millis(300)).await;
    let Err(Failure::Unknown { cause }) = late else {
        panic!("{late:?}");
    };
    assert!(cause.starts_with("no answer within 300 ms"), "{cause}");
    for answer in join_all(ahead).await {
        answer.unwrap();
    }
    // Its answer, when it comes after all, is not taken for another's.
    inspect(&store, "behind", PATIENCE).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_answered_is_dropped_whatever_is_pushed() {
    let server = StrangeServer::start(|heard| match is_script(&heard) {
        true if heard.connection == 1 => {
            Said::Raw(b">3\r\n$7\r\nmessage\r\n$4\r\nsome\r\n$4\r\nnews\r\n")
        }
        _ => Said::Redis,
    })
    .await;
    let store = open(&server);
    let patient = inspect(&store, "patient", PATIENCE * 100);
    let hasty = inspect(&store, "hasty", Duration::from_millis(300));
    let pushes = async {
        loop {
            drop(inspect(&store, "pushed", PATIENCE * 100));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = pushes => {}
        hasty = hasty => assert!(matches!(hasty, Err(Failure::Unknown { .. })), "{hasty:?}"),
    }
    let patient = tokio::time::timeout(PATIENCE, patient).await;
    let patient = patient.expect("the connection was kept");
    assert!(matches!(patient, Err(Failure::Unknown { .. })));
    inspect(&store, "after", PATIENCE).await.unwrap();
    assert_eq!(server.connections(), 2);
}

/// Hangs up at the script for `last` of the first connection, and greets slowly on the second.
async fn server_that_is_lost() -> (StrangeServer, Arc<AtomicBool>) {
    let greeted = Arc::new(AtomicBool::new(false));
    let greeting = greeted.clone();
    let server = StrangeServer::start(move |heard| match heard.name() {
        "EVAL" | "EVALSHA" if heard.words[3].contains("last") && heard.connection == 1 => {
            Said::HangUp
        }
        "HELLO" if heard.connection == 2 && heard.words.len() > 1 => {
            greeting.store(true, Ordering::SeqCst);
            Said::Late(Duration::from_millis(100))
        }
        _ => Said::Redis,
    })
    .await;
    (server, greeted)
}

#[tokio::test]
async fn after_a_reconnect_what_is_asked_goes_before_one_subscription_to_all_channels() {
    let (server, greeted) = server_that_is_lost().await;
    let store = open(&server);
    let _messages: Vec<_> = (0..10)
        .map(|n| store.subscribe(&target(&format!("e{n}"))))
        .collect();
    inspect(&store, "first", PATIENCE).await.unwrap();
    inspect(&store, "last", PATIENCE).await.unwrap_err();
    until(|| greeted.load(Ordering::SeqCst)).await;
    let asked: Vec<_> = (0..3)
        .map(|n| inspect(&store, &format!("asked{n}"), PATIENCE))
        .collect();
    for answer in join_all(asked).await {
        answer.unwrap();
    }
    let on = |connection: usize| -> Vec<Heard> {
        let heard = server.heard().into_iter();
        heard
            .filter(|heard| heard.connection == connection)
            .collect()
    };
    let is_subscription = |heard: &Heard| heard.name() == "SUBSCRIBE";
    until(|| on(2).iter().any(is_subscription)).await;
    let second = on(2);
    let subscription = second.iter().position(is_subscription).unwrap();
    let last_asked = second.iter().rposition(|heard| is_script(&heard)).unwrap();
    assert!(last_asked < subscription, "{second:?}");
    for connection in [on(1), second] {
        let subscriptions: Vec<_> = connection.into_iter().filter(is_subscription).collect();
        assert_eq!(subscriptions.len(), 1);
        assert_eq!(subscriptions[0].words.len(), 11);
    }
}

#[tokio::test]
async fn one_channel_that_is_refused_costs_the_others_no_messages() {
    let server = StrangeServer::start(|heard| match heard.name() {
        "SUBSCRIBE" if heard.words.iter().any(|word| word.contains("{bad}")) => {
            Said::Error("NOPERM No permissions to access a channel".into())
        }
        _ => Said::Redis,
    })
    .await;
    let store = open(&server);
    let _messages = ["good", "bad", "better"].map(|name| store.subscribe(&target(name)));
    inspect(&store, "first", PATIENCE).await.unwrap();
    let subscribed_alone = |name: &str| {
        let channel = format!("primary:{{{name}}}:changes:0");
        let heard = server.heard();
        let mut subscriptions = heard.iter().filter(|heard| heard.name() == "SUBSCRIBE");
        subscriptions.any(|heard| heard.words[1..] == [channel.clone()])
    };
    until(|| subscribed_alone("good") && subscribed_alone("better")).await;
}

#[tokio::test]
async fn elections_go_before_releases_and_those_before_new_runs_and_each_run_keeps_its_order() {
    let (server, greeted) = server_that_is_lost().await;
    let store = open(&server);
    inspect(&store, "first", PATIENCE).await.unwrap();
    let _messages = store.subscribe(&target("first"));
    inspect(&store, "last", PATIENCE).await.unwrap_err();
    until(|| greeted.load(Ordering::SeqCst)).await;
    let runs = [
        ask_for_run(&store, "new1", PATIENCE, acquire(1)),
        ask_for_run(&store, "new2", PATIENCE, acquire(2)),
        ask_for_run(&store, "new1", PATIENCE, withdraw(1)),
        ask_for_run(&store, "old", PATIENCE, withdraw(3)),
    ];
    inspect(&store, "election", PATIENCE).await.unwrap();
    join_all(runs).await;
    let expected = [
        "primary:{election}",
        "lease:{old}",
        "lease:{new1}",
        "lease:{new2}",
        "lease:{new1}",
    ];
    assert_eq!(keys(&server, 2), expected);
}

#[tokio::test]
async fn new_runs_beyond_what_the_server_answers_wait_unsent_and_harm_nobody() {
    let running = Arc::new(AtomicUsize::new(0));
    let served = running.clone();
    let server = StrangeServer::start(move |heard| match is_script(&heard) {
        true => {
            served.fetch_add(1, Ordering::SeqCst);
            Said::Late(Duration::from_millis(2))
        }
        false => Said::Redis,
    })
    .await;
    let store = open(&server);
    inspect(&store, "first", PATIENCE).await.unwrap();
    // At least four seconds of work.
    let runs: Vec<_> = (0..2_000)
        .map(|n| {
            let bound = Duration::from_millis(500);
            ask_for_run(&store, &format!("run{n}"), bound, acquire(n))
        })
        .collect();
    let election = inspect(&store, "election", PATIENCE).await;
    election.unwrap();
    let before_election = running.load(Ordering::SeqCst);
    assert!(before_election < 1_000, "{before_election} went first");
    let unsent = join_all(runs).await;
    let unsent = unsent.iter().filter(|answer| {
        matches!(answer, Err(Failure::Refused { cause }) if cause.starts_with("not sent within "))
    });
    assert!(unsent.count() > 0);
    inspect(&store, "after", PATIENCE).await.unwrap();
    assert!(running.load(Ordering::SeqCst) < 2_000, "all were sent");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_script_that_was_forgotten_is_never_sent_again_behind_a_later_one_for_its_key() {
    let forgetful = Arc::new(AtomicBool::new(false));
    let forgets = forgetful.clone();
    let server = StrangeServer::start(move |heard| match heard.name() {
        "EVALSHA" if forgets.load(Ordering::SeqCst) => {
            Said::Error("NOSCRIPT No matching script. Please use EVAL.".into())
        }
        _ => Said::Redis,
    })
    .await;
    let store = open(&server);
    // Both scripts are known then.
    let _ = ask_for_run(&store, "mail", PATIENCE, acquire(1)).await;
    let _ = ask_for_run(&store, "mail", PATIENCE, withdraw(1)).await;
    forgetful.store(true, Ordering::SeqCst);
    let before = server.heard().len();
    let acquired = ask_for_run(&store, "mail", PATIENCE, acquire(2));
    let other = ask_for_run(&store, "other", PATIENCE, acquire(3));
    let withdrawn = ask_for_run(&store, "mail", PATIENCE, withdraw(2));
    let acquired = acquired.await;
    let Err(Failure::Refused { cause }) = &acquired else {
        panic!("{acquired:?}");
    };
    assert!(cause.starts_with("NOSCRIPT"), "{cause}");
    let _ = (other.await, withdrawn.await);
    let heard = server.heard();
    let by_text = heard[before..]
        .iter()
        .filter(|heard| heard.name() == "EVAL");
    let by_text: Vec<_> = by_text
        .map(|heard| (heard.words[3].as_str(), heard.words[4].as_str()))
        .collect();
    let identity = |n: u128| Identity::new(n).to_string();
    assert_eq!(
        by_text,
        [
            ("lease:{other}", identity(3).as_str()),
            ("lease:{mail}", identity(2).as_str())
        ]
    );
}
