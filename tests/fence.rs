//! The script that fences a resource, and the caller's commands in it, on a real server.

mod redis_server;

use std::time::Duration;

use primary_lease::election::{Failure, Token};
use primary_lease::store::{
    CommandReply, FenceOutcome, FenceRequest, FenceStore, MAX_ARGUMENTS, RedisSource, RedisStore,
    keys_of,
};
use redis_server::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

const KEY: &str = "fence:{mail}";
const LEASE: &str = "primary:chronos";
/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    server: RedisServer,
    store: RedisStore,
}

impl Bench {
    fn new() -> Self {
        Self::with(RedisServer::start())
    }

    fn with(server: RedisServer) -> Self {
        let source = RedisSource::parse_url(&server.url()).unwrap();
        let store = RedisStore::open(source, &Handle::current());
        Bench { server, store }
    }

    /// One node that serves every slot.
    async fn cluster() -> Self {
        let server = RedisServer::start_with(&["--cluster-enabled", "yes"]);
        let slots: Vec<String> = (0..16_384).map(|slot: u32| slot.to_string()).collect();
        let bench = Self::with(server);
        let mut add = redis::cmd("CLUSTER");
        add.arg("ADDSLOTS").arg(slots);
        add.exec(&mut bench.server.connect()).unwrap();
        while !bench
            .query::<String>("CLUSTER INFO")
            .contains("cluster_state:ok")
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench
    }

    async fn ask(&self, token: u64, command: &[&str]) -> Result<FenceOutcome, Failure> {
        ask(&self.store, request(token, command)).await
    }

    async fn fence(&self, token: u64) -> FenceOutcome {
        self.ask(token, &[]).await.unwrap()
    }

    fn query<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        redis::cmd(words.next().unwrap())
            .arg(words.collect::<Vec<_>>())
            .query(&mut self.server.connect())
            .unwrap()
    }

    fn run(&self, command: &str) {
        self.query::<redis::Value>(command);
    }

    fn seen(&self) -> Option<u64> {
        self.query(&format!("HGET {KEY} {LEASE}"))
    }

    /// How often a command has been called, within scripts too.
    fn calls(&self, command: &str) -> bool {
        let stats: String = self.query("INFO commandstats");
        stats.contains(&format!("cmdstat_{command}"))
    }

    fn connections(&self) -> String {
        let stats: String = self.query("CLIENT LIST");
        let ours = stats.lines().filter(|line| line.contains("primary-lease"));
        ours.filter_map(|line| line.split(' ').next()).collect()
    }

    /// How many of our connections are subscribed to something.
    fn subscribers(&self) -> usize {
        let stats: String = self.query("CLIENT LIST");
        let ours = stats.lines().filter(|line| line.contains("primary-lease"));
        ours.filter(|line| !line.contains(" sub=0 ")).count()
    }

    /// A store of a user with these permissions.
    fn user(&self, rules: &[&str]) -> RedisStore {
        let mut command = redis::cmd("ACL");
        command.arg(&["SETUSER", "bob", "reset", "on", ">secret"]);
        command.arg(rules).exec(&mut self.server.connect()).unwrap();
        let source = RedisSource {
            username: Some("bob".into()),
            password: Some("secret".into()),
            ..RedisSource::parse_url(&self.server.url()).unwrap()
        };
        RedisStore::open(source, &Handle::current())
    }
}

fn request(token: u64, command: &[&str]) -> FenceRequest {
    let command: Vec<_> = command
        .iter()
        .map(|word| word.as_bytes().to_vec())
        .collect();
    FenceRequest {
        resource: "mail".into(),
        lease: LEASE.into(),
        token: Token::new(token),
        command: (!command.is_empty()).then_some(command),
        bound: PATIENCE,
    }
}

async fn ask(store: &RedisStore, request: FenceRequest) -> Result<FenceOutcome, Failure> {
    let patience = request.bound + PATIENCE;
    let answer = tokio::time::timeout(patience, store.fence(request));
    answer.await.expect("a command outlived its bound")
}

fn passed(answer: CommandReply) -> FenceOutcome {
    FenceOutcome::Passed(answer)
}

fn stale(highest: u64) -> FenceOutcome {
    let highest = Token::new(highest);
    FenceOutcome::Stale { highest }
}

fn text(text: &str) -> CommandReply {
    CommandReply::Bytes(text.into())
}

fn failed(answer: Result<FenceOutcome, Failure>) -> String {
    match answer {
        Ok(FenceOutcome::Failed { words }) => words.to_string(),
        other => panic!("not the command's own error: {other:?}"),
    }
}

fn denied(answer: Result<FenceOutcome, Failure>) -> String {
    match answer {
        Err(Failure::Denied { cause }) => cause.to_string(),
        other => panic!("not denied: {other:?}"),
    }
}

fn unfit(answer: Result<FenceOutcome, Failure>) -> String {
    match answer {
        Ok(FenceOutcome::Unfit { why }) => why.to_string(),
        other => panic!("not unfit: {other:?}"),
    }
}

// The token

#[tokio::test]
async fn the_highest_token_is_kept_and_a_smaller_one_is_refused_with_it() {
    let bench = Bench::new();
    for token in [5, 5, 7] {
        assert_eq!(bench.fence(token).await, passed(CommandReply::Nothing));
        assert_eq!(bench.seen(), Some(token));
    }
    assert_eq!(bench.fence(6).await, stale(7));
    assert_eq!(bench.seen(), Some(7));
}

#[tokio::test]
async fn tokens_compare_exactly_up_to_the_largest() {
    let bench = Bench::new();
    let max = Token::MAX.get();
    bench.fence(max).await;
    assert_eq!(bench.seen(), Some(max));
    assert_eq!(bench.fence(max).await, passed(CommandReply::Nothing));
    assert_eq!(bench.fence(max - 1).await, stale(max));
}

#[tokio::test]
async fn tokens_of_other_leases_and_other_resources_do_not_compare() {
    let bench = Bench::new();
    bench.fence(9).await;
    let another_lease = FenceRequest {
        lease: "lease:chronos".into(),
        ..request(5, &[])
    };
    let another_resource = FenceRequest {
        resource: "post".into(),
        ..request(5, &[])
    };
    for other in [another_lease, another_resource] {
        let answer = ask(&bench.store, other.clone()).await.unwrap();
        assert_eq!(answer, passed(CommandReply::Nothing));
        let lower = Token::new(4);
        let answer = ask(
            &bench.store,
            FenceRequest {
                token: lower,
                ..other
            },
        )
        .await;
        assert_eq!(answer, Ok(stale(5)));
    }
    assert_eq!(bench.seen(), Some(9));
}

#[tokio::test]
async fn it_has_no_expiry_and_a_refusal_writes_nothing() {
    let bench = Bench::new();
    bench.fence(5).await;
    assert_eq!(bench.query::<i64>(&format!("PTTL {KEY}")), -1);
    // As somebody else may have left it.
    bench.run(&format!("PEXPIRE {KEY} 100000"));
    assert_eq!(bench.fence(4).await, stale(5));
    assert_ne!(bench.query::<i64>(&format!("PTTL {KEY}")), -1);
    bench.fence(6).await;
    assert_eq!(bench.query::<i64>(&format!("PTTL {KEY}")), -1);
}

#[tokio::test]
async fn where_keys_with_an_expiry_are_evicted_a_stale_write_is_refused_all_the_same() {
    for policy in ["volatile-lru", "volatile-ttl", "volatile-random"] {
        let bench = Bench::new();
        bench.ask(7, &["SET", "report", "new"]).await.unwrap();
        bench.run(&format!("CONFIG SET maxmemory-policy {policy}"));
        for number in 0..2_000 {
            bench.run(&format!("SET cache:{number} {number} EX 100000"));
        }
        // Everything that may be evicted is.
        bench.run("CONFIG SET maxmemory 1");
        let outcome = bench.ask(6, &["DEL", "report"]).await;
        assert_eq!(bench.query::<u64>("DBSIZE"), 2, "{policy}");
        assert_eq!(outcome, Ok(stale(7)), "{policy}");
        assert_eq!(bench.query::<String>("GET report"), "new", "{policy}");
    }
}

#[tokio::test]
async fn it_lies_behind_the_callers_prefix() {
    let bench = Bench::new();
    let source = RedisSource {
        key_prefix: "app:".into(),
        ..RedisSource::parse_url(&bench.server.url()).unwrap()
    };
    let store = RedisStore::open(source, &Handle::current());
    // The keys of the command are the caller's, as they are.
    ask(&store, request(5, &["SET", "key", "value"]))
        .await
        .unwrap();
    let mut keys: Vec<String> = bench.query("KEYS *");
    keys.sort();
    assert_eq!(keys, ["app:fence:{mail}", "key"]);
}

#[tokio::test]
async fn a_key_of_another_type_is_named_and_the_command_is_not_applied() {
    let bench = Bench::new();
    bench.run(&format!("SET {KEY} something"));
    let cause = denied(bench.ask(5, &["SET", "key", "value"]).await);
    assert!(
        cause.contains(KEY) && cause.contains("WRONGTYPE"),
        "{cause}"
    );
    assert!(!bench.query::<bool>("EXISTS key"));
}

#[tokio::test]
async fn what_is_no_token_is_named_and_not_replaced() {
    let bench = Bench::new();
    for odd in [
        "nan",
        "inf",
        "-1",
        "1e3",
        "0x10",
        "soon",
        // Beyond 2^53 - 1, where tokens could not be told apart.
        "9007199254740992",
        "18446744073709551616",
    ] {
        bench.run(&format!("HSET {KEY} {LEASE} {odd}"));
        let cause = denied(bench.ask(5, &["SET", "key", "value"]).await);
        for part in [KEY, LEASE, odd] {
            assert!(cause.contains(part), "{cause}");
        }
        let kept: String = bench.query(&format!("HGET {KEY} {LEASE}"));
        assert_eq!(kept, odd);
    }
    assert!(!bench.query::<bool>("EXISTS key"));
}

// The command

#[tokio::test]
async fn a_command_is_applied_with_the_check_and_brings_its_reply() {
    let bench = Bench::new();
    for (command, reply) in [
        (&["SET", "key", "value"][..], text("OK")),
        (&["GET", "key"], text("value")),
        (&["GET", "nothing"], CommandReply::Nothing),
        (&["INCRBY", "number", "-3"], CommandReply::Integer(-3)),
        (
            &["LRANGE", "nothing", "0", "-1"],
            CommandReply::List(vec![]),
        ),
        (
            &["MGET", "key", "nothing", "number"],
            CommandReply::List(vec![text("value"), CommandReply::Nothing, text("-3")]),
        ),
        (
            &["HGETALL", KEY],
            CommandReply::List(vec![text(LEASE), text("5")]),
        ),
    ] {
        let answer = bench.ask(5, command).await;
        assert_eq!(answer, Ok(passed(reply)), "{command:?}");
    }
    assert_eq!(bench.seen(), Some(5));
}

#[tokio::test]
async fn a_command_with_a_stale_token_changes_nothing() {
    let bench = Bench::new();
    bench.ask(7, &["SET", "key", "new"]).await.unwrap();
    assert_eq!(bench.ask(6, &["SET", "key", "old"]).await, Ok(stale(7)));
    assert_eq!(bench.query::<String>("GET key"), "new");
}

#[tokio::test]
async fn arguments_and_replies_are_bytes() {
    let bench = Bench::new();
    let odd = vec![0, 0xff, b'\r', b'\n', 0xc3, 0x28];
    for command in [
        vec![b"SET".to_vec(), odd.clone(), odd.clone()],
        vec![b"GET".to_vec(), odd.clone()],
    ] {
        let request = FenceRequest {
            command: Some(command),
            ..request(5, &[])
        };
        let answer = ask(&bench.store, request.clone()).await.unwrap();
        if request.command.unwrap().len() == 2 {
            assert_eq!(answer, passed(CommandReply::Bytes(odd.clone())));
        }
    }
}

#[tokio::test]
async fn as_many_arguments_as_are_allowed_are_passed_on() {
    let bench = Bench::new();
    let mut command = vec!["RPUSH", "list"];
    command.resize(MAX_ARGUMENTS, "item");
    let length = i64::try_from(MAX_ARGUMENTS - 2).unwrap();
    let answer = bench.ask(5, &command).await;
    assert_eq!(answer, Ok(passed(CommandReply::Integer(length))));
}

#[tokio::test]
async fn the_commands_own_error_comes_in_the_servers_words_and_costs_no_connection() {
    let bench = Bench::new();
    bench.ask(5, &["SET", "key", "value"]).await.unwrap();
    let before = bench.connections();
    for (command, words) in [
        (&["LPUSH", "key", "item"][..], "WRONGTYPE"),
        (&["SET", "key"], "Wrong number of args"),
        (&["SETT", "key", "value"], "Unknown Redis command"),
        (&[""], "Unknown Redis command"),
        (&["SUBSCRIBE", "channel"], "not allowed"),
        (&["SET", "key", "value", "SOON"], "syntax error"),
    ] {
        let said = failed(bench.ask(6, command).await);
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(bench.connections(), before);
    assert_eq!(bench.seen(), Some(6), "the token was seen all the same");
}

// The server

#[tokio::test]
async fn a_permission_that_the_fence_lacks_is_denied_and_the_command_is_not_applied() {
    let bench = Bench::new();
    for rules in [
        &["~*", "+@all", "-hmget"][..],
        &["~*", "+@all", "-hset"],
        &["~*", "+@all", "-persist"],
        &["~*", "+@all", "-eval"],
        &["~key", "+@all"],
    ] {
        bench.run("FLUSHALL");
        let store = bench.user(rules);
        denied(ask(&store, request(5, &["SET", "key", "value"])).await);
        assert!(!bench.query::<bool>("EXISTS key"), "{rules:?}");
    }
}

#[tokio::test]
async fn a_permission_that_the_command_lacks_is_its_own_error() {
    let bench = Bench::new();
    for rules in [
        &["~*", "+@all", "-set"][..],
        &["~*", "-@all", "+eval", "+hmget", "+hset", "+persist"],
    ] {
        let store = bench.user(rules);
        failed(ask(&store, request(5, &["SET", "key", "value"])).await);
        // Which costs the fence nothing.
        let answer = ask(&store, request(5, &[])).await;
        assert_eq!(answer, Ok(passed(CommandReply::Nothing)));
    }
}

#[tokio::test]
async fn a_key_that_the_command_may_not_use_is_denied_and_nothing_is_written() {
    let bench = Bench::new();
    let store = bench.user(&["~fence:*", "+@all"]);
    let answer = ask(&store, request(5, &["SET", "key", "value"])).await;
    let Err(Failure::Denied { cause }) = answer else {
        panic!("not denied: {answer:?}")
    };
    assert!(cause.contains("keys"), "{cause}");
    assert_eq!(bench.seen(), None);
    let answer = ask(&store, request(5, &[])).await;
    assert_eq!(answer, Ok(passed(CommandReply::Nothing)));
}

/// Fills the memory, as far as Redis lets us.
fn fill(bench: &Bench) {
    bench.run("SET old old");
    bench.run("CONFIG SET maxmemory 1");
}

#[tokio::test]
async fn on_a_full_server_a_command_meets_the_limits_that_it_meets_without_the_fence() {
    // With a token that is new to the resource, and with one that it knows.
    for known in [false, true] {
        for (command, expected) in [
            (&["SET", "key", "value"][..], None),
            (&["GET", "old"], Some(text("old"))),
            (&["DEL", "old"], Some(CommandReply::Integer(1))),
        ] {
            let bench = Bench::new();
            if known {
                bench.fence(5).await;
            }
            fill(&bench);
            let answer = bench.ask(5, command).await;
            match expected {
                Some(reply) => assert_eq!(answer, Ok(passed(reply)), "{command:?} {known}"),
                None => {
                    let said = failed(answer);
                    assert!(said.starts_with("OOM"), "{said}");
                    assert!(!bench.query::<bool>("EXISTS key"));
                }
            }
            assert_eq!(bench.seen(), Some(5), "{command:?} {known}");
            assert_eq!(bench.ask(4, &["DEL", "old"]).await, Ok(stale(5)));
        }
    }
}

#[tokio::test]
async fn on_a_full_server_a_primary_is_not_kept_from_the_fence() {
    let bench = Bench::new();
    fill(&bench);
    assert_eq!(bench.fence(5).await, passed(CommandReply::Nothing));
    assert_eq!(bench.fence(4).await, stale(5));
}

#[tokio::test]
async fn commands_in_a_row_do_not_pass_the_memory_limit() {
    let bench = Bench::new();
    bench.run("CONFIG SET maxmemory 4mb");
    let megabyte = "x".repeat(1 << 20);
    let mut refused = 0;
    for number in 0..50 {
        let key = format!("key:{number}");
        let answer = bench.ask(5, &["SET", &key, &megabyte]).await;
        refused += u32::from(
            matches!(answer, Ok(FenceOutcome::Failed { words }) if words.starts_with("OOM")),
        );
    }
    assert!(refused > 45, "{refused}");
}

#[tokio::test]
async fn on_a_full_server_where_the_fence_may_not_write_a_token_that_is_new_is_refused() {
    let bench = Bench::new();
    bench.run("SET old old");
    for rules in [&["~*", "+@all", "-hset"][..], &["~*", "+@all", "-persist"]] {
        let store = bench.user(rules);
        bench.run("CONFIG SET maxmemory 1");
        let answer = ask(&store, request(5, &["GET", "old"])).await;
        assert!(answer.is_err(), "{rules:?}: {answer:?}");
        bench.run("CONFIG SET maxmemory 0");
        assert_eq!(bench.seen(), None);
    }
}

#[tokio::test]
async fn integers_come_exactly_or_not_at_all() {
    let bench = Bench::new();
    for (command, reply) in [
        (&["SET", "n", "9223372036854775806"][..], text("OK")),
        (&["incr", "n"], CommandReply::Integer(i64::MAX)),
        (&["DECRBY", "n", "2"], CommandReply::Integer(i64::MAX - 2)),
        (&["SET", "n", "-9007199254740991"], text("OK")),
        (&["DECR", "n"], CommandReply::Integer(-(1 << 53))),
        (
            &["HINCRBY", "h", "f", "9007199254740993"],
            CommandReply::Integer((1 << 53) + 1),
        ),
        (
            &[
                "BITFIELD",
                "b",
                "SET",
                "u53",
                "0",
                "9007199254740991",
                "GET",
                "u53",
                "0",
            ],
            CommandReply::List(vec![
                CommandReply::Integer(0),
                CommandReply::Integer((1 << 53) - 1),
            ]),
        ),
    ] {
        let answer = bench.ask(5, command).await;
        assert_eq!(answer, Ok(passed(reply)), "{command:?}");
    }
    let words = failed(
        bench
            .ask(
                5,
                &[
                    "BITFIELD",
                    "b",
                    "SET",
                    "i64",
                    "0",
                    "-1",
                    "INCRBY",
                    "i64",
                    "0",
                    "9007199254740993",
                ],
            )
            .await,
    );
    assert!(words.contains("was applied"), "{words}");
}

#[tokio::test]
async fn a_script_that_the_server_forgot_is_sent_again_and_the_command_is_applied_once() {
    let bench = Bench::new();
    for count in 1..=3 {
        let answer = bench.ask(5, &["INCR", "count"]).await;
        assert_eq!(answer, Ok(passed(CommandReply::Integer(count))));
        bench.run("SCRIPT FLUSH");
    }
}

#[tokio::test]
async fn a_command_without_an_answer_has_an_unknown_outcome_in_time_and_is_not_repeated() {
    let bench = Bench::new();
    bench.ask(5, &["SET", "count", "0"]).await.unwrap();
    // Scripts count as writes; all else is answered.
    bench.run("CLIENT PAUSE 60000 WRITE");
    let hurried = FenceRequest {
        bound: Duration::from_millis(100),
        ..request(5, &["INCR", "count"])
    };
    let answer = ask(&bench.store, hurried).await;
    assert!(matches!(answer, Err(Failure::Unknown { .. })), "{answer:?}");
    bench.run("CLIENT UNPAUSE");
    // Another connection: whatever the first one had sent is over when this is answered.
    let later = loop {
        match bench.ask(5, &["GET", "count"]).await {
            Ok(FenceOutcome::Passed(CommandReply::Bytes(count))) => break count,
            Err(Failure::Unknown { .. }) => (),
            other => panic!("{other:?}"),
        }
    };
    assert!(later == b"0" || later == b"1", "{later:?}");
}

#[tokio::test]
async fn a_command_that_no_connection_takes_was_not_applied() {
    let mut bench = Bench::new();
    bench.server.kill();
    let hurried = FenceRequest {
        bound: Duration::from_millis(100),
        ..request(5, &["SET", "key", "value"])
    };
    let answer = ask(&bench.store, hurried).await;
    assert!(matches!(answer, Err(Failure::Refused { .. })), "{answer:?}");
    bench.server.start_again();
    let answer = bench.ask(5, &["EXISTS", "key"]).await;
    assert_eq!(answer, Ok(passed(CommandReply::Integer(0))));
}

#[tokio::test]
async fn a_master_that_became_a_replica_is_left_and_its_refusal_passes() {
    let bench = Bench::new();
    bench.ask(5, &["SET", "key", "value"]).await.unwrap();
    bench.run("REPLICAOF 127.0.0.1 1");
    // The one over the old connection, and then over none.
    for _ in 0..2 {
        let answer = bench.ask(5, &["SET", "key", "other"]).await;
        assert!(matches!(answer, Err(Failure::Refused { .. })), "{answer:?}");
    }
    assert_eq!(bench.connections(), "");
    bench.run("REPLICAOF NO ONE");
    let answer = bench.ask(5, &["GET", "key"]).await;
    assert_eq!(answer, Ok(passed(text("value"))));
}

// A cluster

#[tokio::test]
async fn in_a_cluster_a_command_of_another_slot_is_refused_before_it_is_sent() {
    let bench = Bench::cluster().await;
    for command in [
        &["SET", "other", "value"][..],
        &["MSET", "{mail}:one", "1", "other", "2"],
        &["XREAD", "STREAMS", "other", "0"],
    ] {
        let why = unfit(bench.ask(5, command).await);
        let slot: u16 = bench.query("CLUSTER KEYSLOT other");
        let own: u16 = bench.query(&format!("CLUSTER KEYSLOT {KEY}"));
        for part in [
            "\"other\"",
            "\"{mail}\"",
            &slot.to_string(),
            &own.to_string(),
        ] {
            assert!(why.contains(part), "{why}");
        }
    }
    assert!(!bench.calls("eval"), "a script was sent");
    assert_eq!(bench.query::<u64>("DBSIZE"), 0);
}

#[tokio::test]
async fn in_a_cluster_a_command_of_the_resources_slot_is_applied() {
    let bench = Bench::cluster().await;
    let answer = bench
        .ask(5, &["MSET", "{mail}:one", "1", "x:{mail}", "2"])
        .await;
    assert_eq!(answer, Ok(passed(text("OK"))));
    assert_eq!(bench.query::<u64>("EXISTS {mail}:one x:{mail}"), 2);
    // Without keys it crosses nothing, and what the server cannot read it says itself.
    let answer = bench.ask(5, &["PUBLISH", "other", "message"]).await;
    assert_eq!(answer, Ok(passed(CommandReply::Integer(0))));
    failed(bench.ask(5, &["SETT", "other"]).await);
    failed(bench.ask(5, &["SET"]).await);
    assert_eq!(bench.ask(4, &["SET", "x:{mail}", "3"]).await, Ok(stale(5)));
    assert_eq!(bench.fence(5).await, passed(CommandReply::Nothing));
}

#[tokio::test]
async fn in_a_cluster_the_tag_is_the_callers_prefix_where_that_has_one() {
    let bench = Bench::cluster().await;
    let source = RedisSource {
        key_prefix: "{app}:".into(),
        ..RedisSource::parse_url(&bench.server.url()).unwrap()
    };
    let store = RedisStore::open(source, &Handle::current());
    let why = unfit(ask(&store, request(5, &["SET", "x:{mail}", "1"])).await);
    assert!(why.contains("\"{app}\""), "{why}");
    let answer = ask(&store, request(5, &["SET", "x:{app}", "1"])).await;
    assert_eq!(answer, Ok(passed(text("OK"))));
}

#[tokio::test]
async fn in_a_cluster_one_who_may_not_ask_for_the_keys_is_denied() {
    let bench = Bench::cluster().await;
    let store = bench.user(&["~*", "+@all", "-command"]);
    let cause = denied(ask(&store, request(5, &["SET", "x:{mail}", "1"])).await);
    assert!(cause.contains("COMMAND GETKEYS"), "{cause}");
    assert!(!bench.calls("eval"), "a script was sent");
    // The fence alone needs no answer to that.
    let answer = ask(&store, request(5, &[])).await;
    assert_eq!(answer, Ok(passed(CommandReply::Nothing)));
}

#[tokio::test]
async fn a_single_server_is_not_asked_for_the_keys() {
    let bench = Bench::new();
    bench
        .ask(5, &["MSET", "one", "1", "other", "2"])
        .await
        .unwrap();
    assert!(!bench.calls("command"));
}

// Order, and a connection of its own

/// Appends the numbers to a list without waiting for any answer.
async fn append(bench: &Bench, numbers: std::ops::Range<u32>) {
    let asked: Vec<_> = numbers
        .map(|number| {
            let number = number.to_string();
            bench
                .store
                .fence(request(5, &["RPUSH", "list", number.as_str()]))
        })
        .collect();
    for (index, answering) in asked.into_iter().enumerate() {
        let answer = answering.await;
        assert!(
            matches!(answer, Ok(FenceOutcome::Passed(_))),
            "{index}: {answer:?}"
        );
    }
}

fn assert_in_order(bench: &Bench, length: u32) {
    let list: Vec<u32> = bench.query("LRANGE list 0 -1");
    assert_eq!(list.len(), length as usize);
    let misplaced = list
        .iter()
        .zip(0..)
        .filter(|(found, place)| **found != *place);
    assert_eq!(misplaced.count(), 0);
}

#[tokio::test]
async fn commands_that_are_not_awaited_are_applied_in_the_order_of_the_calls() {
    let bench = Bench::new();
    append(&bench, 0..12_000).await;
    assert_in_order(&bench, 12_000);
}

#[tokio::test]
async fn they_are_while_the_server_forgets_its_scripts_too() {
    let bench = Bench::new();
    let mut connection = bench.server.connect();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let flushing = std::thread::spawn(move || {
        let mut flushes = 0;
        while stopped.try_recv().is_err() {
            redis::cmd("SCRIPT")
                .arg("FLUSH")
                .exec(&mut connection)
                .unwrap();
            flushes += 1;
        }
        flushes
    });
    for round in 0..4 {
        append(&bench, round * 3_000..(round + 1) * 3_000).await;
    }
    stop.send(()).unwrap();
    assert!(flushing.join().unwrap() > 10);
    assert_in_order(&bench, 12_000);
}

#[tokio::test]
async fn in_a_cluster_they_are_too_whether_their_keys_are_asked_for_or_not() {
    let bench = Bench::cluster().await;
    let asked: Vec<_> = (0..3_000)
        .map(|number: u64| {
            let value = number.to_string();
            // Every third is the fence alone, with a token that shuts out those before it.
            match number % 3 {
                0 => bench.store.fence(request(5 + number, &[])),
                _ => bench.store.fence(request(
                    5 + number - number % 3,
                    &["RPUSH", "list:{mail}", value.as_str()],
                )),
            }
        })
        .collect();
    for answering in asked {
        let answer = answering.await;
        assert!(matches!(answer, Ok(FenceOutcome::Passed(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn large_replies_and_many_of_them_arrive_over_a_connection_without_subscriptions() {
    let bench = Bench::new();
    let mut client = bench.server.connect();
    let large = vec![b'x'; 40 << 20];
    redis::cmd("SET")
        .arg("large")
        .arg(&large)
        .exec(&mut client)
        .unwrap();
    let answer = bench.ask(5, &["GETDEL", "large"]).await;
    assert_eq!(answer, Ok(passed(CommandReply::Bytes(large))));

    let value = vec![0xff; 1 << 20];
    let keys: Vec<String> = (0..100).map(|number| format!("key:{number}")).collect();
    for key in &keys {
        redis::cmd("SET")
            .arg(key)
            .arg(&value)
            .exec(&mut client)
            .unwrap();
    }
    let asked: Vec<_> = keys
        .iter()
        .map(|key| bench.store.fence(request(5, &["GETDEL", key])))
        .collect();
    for answering in asked {
        assert_eq!(
            answering.await,
            Ok(passed(CommandReply::Bytes(value.clone())))
        );
    }
    assert_eq!(bench.query::<u64>("DBSIZE"), 1, "the fence alone is left");
    assert_eq!(bench.subscribers(), 0);
}

#[tokio::test]
async fn the_connection_of_commands_is_opened_by_the_first_and_closed_when_it_is_idle() {
    let bench = Bench::new();
    assert_eq!(bench.connections(), "");
    bench.fence(5).await;
    let first = bench.connections();
    bench.fence(6).await;
    assert_eq!(bench.connections(), first);
    // With nothing else to do the clock jumps to the next alarm.
    tokio::time::pause();
    while !bench.connections().is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::resume();
    bench.fence(7).await;
    assert_ne!(bench.connections(), first);
}

/// Stands before a server, and holds back what is sent to it when it is told to.
struct Relay {
    port: u16,
    held: tokio::sync::watch::Sender<bool>,
}

impl Relay {
    async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (held, holding) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                // What comes later is not held back.
                let mut holding = holding.clone();
                let held_back = *holding.borrow();
                let (mut from_near, mut to_near) = near.into_split();
                let (mut from_far, mut to_far) = far.into_split();
                tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_far, &mut to_near).await;
                });
                tokio::spawn(async move {
                    let mut bytes = vec![0; 64 * 1024];
                    // An end of the connection does not overtake what was sent before it.
                    while let Ok(length @ 1..) = from_near.read(&mut bytes).await {
                        let _ = holding.wait_for(|held| held_back || !held).await;
                        let _ = to_far.write_all(&bytes[..length]).await;
                    }
                });
            }
        });
        Relay { port, held }
    }
}

#[tokio::test]
async fn a_command_without_an_answer_is_not_applied_behind_a_later_one() {
    let bench = Bench::new();
    let relay = Relay::before(bench.server.port).await;
    let url = format!("redis://127.0.0.1:{}", relay.port);
    let store = RedisStore::open(RedisSource::parse_url(&url).unwrap(), &Handle::current());
    ask(&store, request(5, &["SET", "key", "first"]))
        .await
        .unwrap();
    relay.held.send(true).unwrap();
    let hurried = FenceRequest {
        bound: Duration::from_millis(100),
        ..request(5, &["SET", "key", "delayed"])
    };
    let answer = ask(&store, hurried).await;
    assert!(matches!(answer, Err(Failure::Unknown { .. })), "{answer:?}");
    // The connection is given up for a new one, over which the next command comes first.
    let answer = ask(&store, request(5, &["SET", "key", "second"])).await;
    assert_eq!(answer, Ok(passed(text("OK"))));
    let calls = |bench: &Bench| {
        let stats: String = bench.query("INFO commandstats");
        let line = stats.lines().find(|line| line.starts_with("cmdstat_eval:"));
        let calls = line.and_then(|line| line.split(['=', ',']).nth(1));
        calls.and_then(|calls| calls.parse::<u32>().ok())
    };
    let before = calls(&bench);
    relay.held.send(false).unwrap();
    while calls(&bench) == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(bench.query::<String>("GET key"), "second");
    // A newer token knows nothing of these connections.
    assert_eq!(
        bench.ask(6, &["SET", "key", "third"]).await,
        Ok(passed(text("OK")))
    );
    assert_eq!(
        ask(&store, request(5, &["SET", "key", "old"])).await,
        Ok(stale(6))
    );
}

/// What the server says of its commands, those that scripts may not call left out.
fn commands_of(server: &RedisServer) -> Vec<(String, i64)> {
    let commands: Vec<redis::Value> = redis::cmd("COMMAND").query(&mut server.connect()).unwrap();
    let mut known = Vec::new();
    for command in commands {
        let redis::Value::Array(fields) = command else {
            panic!("no command: {command:?}")
        };
        let [name, arity, flags, ..] = &fields[..] else {
            panic!("no command: {fields:?}")
        };
        let flags: Vec<String> = redis::from_redis_value_ref(flags).unwrap();
        if !flags.iter().any(|flag| flag == "noscript") {
            let name: String = redis::from_redis_value_ref(name).unwrap();
            known.push((name, redis::from_redis_value_ref(arity).unwrap()));
        }
    }
    known
}

#[tokio::test]
async fn the_keys_of_every_command_of_the_server_are_known() {
    let bench = Bench::new();
    let mut connection = bench.server.connect();
    let special: [&[&str]; 16] = [
        &["ZUNIONSTORE", "t", "2", "a", "b", "WEIGHTS", "1", "2"],
        &["ZINTERSTORE", "t", "1", "a"],
        &["ZDIFFSTORE", "t", "2", "a", "b"],
        &["ZUNION", "2", "a", "b"],
        &["SINTERCARD", "2", "a", "b", "LIMIT", "1"],
        &["LMPOP", "2", "a", "b", "LEFT"],
        &["BZMPOP", "0", "1", "a", "MIN"],
        &["XREAD", "COUNT", "2", "STREAMS", "a", "b", "0", "0"],
        &["XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", ">"],
        &["SORT", "a", "ALPHA", "STORE", "t"],
        &["SORT", "a"],
        &["GEORADIUS", "a", "0", "0", "1", "km", "STORE", "t"],
        &["BITOP", "AND", "t", "a", "b"],
        &["MSET", "a", "1", "b", "2"],
        &["OBJECT", "ENCODING", "a"],
        &["XGROUP", "CREATE", "a", "g", "$"],
    ];
    let named: Vec<&str> = special.iter().map(|words| words[0]).collect();
    let mut tried: Vec<Vec<String>> = special
        .iter()
        .map(|words| words.iter().map(ToString::to_string).collect())
        .collect();
    for (name, arity) in commands_of(&bench.server) {
        if !named
            .iter()
            .any(|special| special.eq_ignore_ascii_case(&name))
        {
            let words = (1..arity.unsigned_abs().max(3)).map(|place| place.to_string());
            tried.push([name].into_iter().chain(words).collect());
        }
    }
    let mut compared = 0;
    for words in tried {
        let mut ask = redis::cmd("COMMAND");
        // What has no keys, and what wants other words, it says so.
        let Ok(keys) = ask
            .arg("GETKEYS")
            .arg(&words)
            .query::<Vec<String>>(&mut connection)
        else {
            continue;
        };
        let command: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let mut ours: Vec<&str> = keys_of(&command).iter().map(|at| &*words[*at]).collect();
        let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        ours.sort_unstable();
        keys.sort_unstable();
        // Of no use to a caller.
        let internal = ["migrate", "pfdebug", "restore-asking"].contains(&&*words[0]);
        assert!(
            internal || ours == keys,
            "{words:?}: {ours:?}, not {keys:?}"
        );
        compared += 1;
    }
    assert!(compared > 130, "{compared}");
}
