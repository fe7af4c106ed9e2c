//! Every branch of every script, on a real server.

mod commands;
mod redis_server;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use commands::{
    MINE, NONCE, OTHER, TTL, acquire, next, over, renew, request, signing, target, with_floor,
};
use primary_lease::election::{
    Command, Failure, Identity, Message, Outcome, Record, Reply, Token, Version, WriteKind,
};
use primary_lease::store::{RedisSource, RedisStore, Store, Target};
use redis_server::RedisServer;
use tokio::runtime::Handle;

const KEY: &str = "primary:{chronos}";
const MAX: u64 = (1 << 53) - 1;

struct Bench {
    server: RedisServer,
    store: RedisStore,
    target: Target,
}

impl Bench {
    fn new() -> Self {
        Self::with(RedisServer::start())
    }

    fn with(server: RedisServer) -> Self {
        let source = RedisSource::parse_url(&server.url()).unwrap();
        Bench {
            server,
            store: RedisStore::open(source, &Handle::current()),
            target: target("chronos"),
        }
    }

    /// A failure that passes is asked again: a restart takes the connection with it.
    async fn ask(&self, command: Command) -> Result<Reply, Failure> {
        loop {
            match self
                .store
                .send(&self.target, &request(command.clone()))
                .await
            {
                Err(Failure::Unknown { .. }) => (),
                answer => return answer,
            }
        }
    }

    async fn acquire(&self, identity: Identity) -> Reply {
        self.ask(acquire(identity)).await.unwrap()
    }

    async fn renew(&self, identity: Identity, token: Token) -> Reply {
        self.ask(renew(identity, token, None)).await.unwrap()
    }

    async fn release(&self, identity: Identity) -> Reply {
        let listeners = 3;
        self.ask(Command::Release {
            identity,
            listeners,
            reason: None,
            nonce: NONCE,
        })
        .await
        .unwrap()
    }

    async fn inspect(&self) -> Option<Record> {
        self.ask(Command::Inspect).await.unwrap().record
    }

    /// Takes the lease as somebody does who has watched what is there.
    async fn win(&self, identity: Identity) -> Record {
        let shown = self.acquire(identity).await.record.unwrap();
        let taken = self.ask(over(identity, &shown.version)).await.unwrap();
        assert_eq!(taken.outcome, Outcome::Granted);
        taken.record.unwrap()
    }

    fn set(&self, field: &str, value: &str) {
        let mut command = redis::cmd("HSET");
        command.arg(KEY).arg(field).arg(value);
        command.exec(&mut self.server.connect()).unwrap();
    }

    fn remove(&self, field: &str) {
        let mut command = redis::cmd("HDEL");
        command.arg(KEY).arg(field);
        command.exec(&mut self.server.connect()).unwrap();
    }

    fn fields(&self) -> HashMap<String, String> {
        let mut command = redis::cmd("HGETALL");
        command.arg(KEY).query(&mut self.server.connect()).unwrap()
    }

    fn run(&self, command: &[&str]) {
        redis::cmd(command[0])
            .arg(&command[1..])
            .exec(&mut self.server.connect())
            .unwrap();
    }

    async fn up_for_longer_than(&self, longer: Duration) {
        let up = || -> u64 {
            let info: String = redis::cmd("INFO")
                .arg("server")
                .query(&mut self.server.connect())
                .unwrap();
            let line = info
                .lines()
                .find_map(|line| line.strip_prefix("uptime_in_seconds:"));
            line.unwrap().parse().unwrap()
        };
        while Duration::from_secs(up()) <= longer {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn time_us(&self) -> u64 {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME")
            .query(&mut self.server.connect())
            .unwrap();
        seconds * 1_000_000 + micros
    }
}

fn eager(identity: Identity, eager: Duration) -> Command {
    Command::Acquire {
        identity,
        ttl: TTL,
        floor: Token::NONE,
        watched: None,
        eager: Some(eager),
        rank: None,
        nonce: NONCE,
    }
}

fn denied(answer: Result<Reply, Failure>) -> Arc<str> {
    match answer {
        Err(Failure::Denied { cause }) => cause,
        other => panic!("not denied: {other:?}"),
    }
}

// Acquire

#[tokio::test]
async fn a_missing_record_is_created_and_not_granted() {
    let bench = Bench::new();
    let reply = bench.acquire(MINE).await;
    assert_eq!(reply.outcome, Outcome::Refused);
    let record = reply.record.unwrap();
    assert_eq!(record.token, Token::NONE);
    assert_eq!(record.holder, None);
    assert_eq!(record.version.seq, 0);
    assert_ne!(
        record.version.epoch >> 32,
        NONCE.bits() >> 32,
        "nobody is told a nonce"
    );
    assert_eq!(record.ttl, TTL);
    assert!(record.same_incarnation && !record.released);
    assert_eq!(reply.listeners, Some(0));
    assert_eq!(bench.inspect().await, Some(record));
}

#[tokio::test]
async fn a_late_duplicate_of_what_created_a_record_creates_another() {
    let bench = Bench::new();
    let first = bench.acquire(MINE).await.record.unwrap();
    redis::cmd("FLUSHALL")
        .exec(&mut bench.server.connect())
        .unwrap();
    let again = bench.acquire(MINE).await.record.unwrap();
    assert_eq!(again.version.seq, first.version.seq);
    assert_ne!(again.version, first.version);
}

#[tokio::test]
async fn an_incarnation_is_the_servers_run_id_and_replication_id() {
    let bench = Bench::new();
    let run = bench.win(MINE).await.version.incarnation;
    let info: String = redis::cmd("INFO")
        .query(&mut bench.server.connect())
        .unwrap();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_once(':').unwrap().1.to_owned()
    };
    let expected = format!("{}:{}", field("run_id:"), field("master_replid:"));
    assert_eq!(*run, expected);
    assert_eq!(bench.fields()["run"], expected);
}

#[tokio::test]
async fn a_watched_version_is_granted_with_a_token_from_the_servers_clock() {
    let bench = Bench::new();
    let before = bench.time_us();
    let record = bench.win(MINE).await;
    assert!((before..=bench.time_us()).contains(&record.token.get()));
    assert_eq!(record.holder, Some(MINE));
    assert_eq!(&*record.server, "server one");
    assert_eq!(record.version.seq, 1);
    let fields = bench.fields();
    assert_eq!(fields["v"], "1");
    assert_eq!(fields["token"], record.token.to_string());
    assert_eq!(fields["since"], fields["token"]);
    assert_eq!(fields["at"], fields["since"]);
    let mut pttl = redis::cmd("PTTL");
    let left: u64 = pttl.arg(KEY).query(&mut bench.server.connect()).unwrap();
    let kept = 30 * 24 * 3_600_000;
    assert!((kept - 600_000..=kept).contains(&left), "{left}");
}

#[tokio::test]
async fn an_older_watched_version_is_refused_whatever_part_of_it_is_older() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    for wrong in [
        Version {
            seq: record.version.seq - 1,
            ..record.version.clone()
        },
        Version {
            epoch: NONCE.bits() + 1,
            ..record.version.clone()
        },
        Version {
            incarnation: "ab:cd".into(),
            ..record.version.clone()
        },
    ] {
        let reply = bench.ask(over(OTHER, &wrong)).await.unwrap();
        assert_eq!(reply.outcome, Outcome::Refused, "{wrong}");
        assert_eq!(reply.record.as_ref(), Some(&record));
        assert_eq!(reply.listeners, None);
    }
}

#[tokio::test]
async fn every_write_changes_the_version() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    let mut seen = vec![record.version.seq];
    for _ in 0..2 {
        let renewed = bench.renew(MINE, record.token).await;
        seen.push(renewed.record.unwrap().version.seq);
    }
    seen.push(bench.acquire(MINE).await.record.unwrap().version.seq);
    seen.push(bench.release(MINE).await.record.unwrap().version.seq);
    seen.push(bench.acquire(OTHER).await.record.unwrap().version.seq);
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_grant_whose_reply_was_lost_is_granted_again_with_the_same_token() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    let again = bench.acquire(MINE).await;
    assert_eq!(again.outcome, Outcome::Granted);
    let again = again.record.unwrap();
    assert_eq!(again.token, record.token);
    assert_eq!(again.version.seq, record.version.seq + 1);
}

#[tokio::test]
async fn a_grant_of_an_earlier_run_is_not_granted_again() {
    let mut bench = Bench::new();
    let record = bench.win(MINE).await;
    bench.server.restart_with_data();
    let reply = bench.acquire(MINE).await;
    assert_eq!(reply.outcome, Outcome::Refused);
    let shown = reply.record.unwrap();
    assert!(!shown.same_incarnation);
    assert_eq!(shown.token, record.token);
    assert_ne!(shown.version.incarnation, record.version.incarnation);
    assert_eq!(
        bench.ask(over(MINE, &shown.version)).await.unwrap().outcome,
        Outcome::Granted
    );
}

#[tokio::test]
async fn a_released_record_is_granted_at_once_to_another() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    bench.release(MINE).await;
    let reply = bench.acquire(OTHER).await;
    assert_eq!(reply.outcome, Outcome::Granted);
    assert!(reply.record.unwrap().token > record.token);
}

#[tokio::test]
async fn a_released_record_is_not_granted_to_a_late_duplicate_of_its_own_term() {
    let bench = Bench::new();
    bench.win(MINE).await;
    bench.release(MINE).await;
    let reply = bench.acquire(MINE).await;
    assert_eq!(reply.outcome, Outcome::Refused);
    assert!(reply.record.unwrap().released);
}

#[tokio::test]
async fn a_record_released_in_an_earlier_run_is_not_granted_at_once() {
    let mut bench = Bench::new();
    bench.win(MINE).await;
    bench.release(MINE).await;
    bench.server.restart_with_data();
    let reply = bench.acquire(OTHER).await;
    assert_eq!(reply.outcome, Outcome::Refused);
    let record = reply.record.unwrap();
    assert!(record.released && !record.same_incarnation);
}

#[tokio::test]
async fn tokens_rise_over_an_emptied_server() {
    let bench = Bench::new();
    let mut last = bench.win(MINE).await.token;
    for identity in [OTHER, MINE, OTHER] {
        bench.run(&["FLUSHALL"]);
        let before = bench.time_us();
        let token = bench.win(identity).await.token;
        assert!(token > last && token.get() >= before);
        last = token;
    }
}

#[tokio::test]
async fn a_token_is_above_the_floor_and_above_the_last_one() {
    let bench = Bench::new();
    let version = bench.acquire(MINE).await.record.unwrap().version;
    let high = 1 << 52;
    let reply = bench.ask(with_floor(MINE, &version, high)).await.unwrap();
    assert_eq!(reply.record.unwrap().token, Token::new(high + 1));
    bench.release(MINE).await;
    let reply = bench.acquire(OTHER).await;
    assert_eq!(reply.record.unwrap().token, Token::new(high + 2));
}

#[tokio::test]
async fn an_eager_start_takes_a_missing_record_on_a_server_that_has_been_up_for_longer() {
    let bench = Bench::new();
    let reply = bench
        .ask(eager(MINE, Duration::from_secs(86_400)))
        .await
        .unwrap();
    assert_eq!(reply.outcome, Outcome::Refused);
    bench.run(&["FLUSHALL"]);
    let mut messages = bench.store.subscribe(&bench.target);
    loop {
        let reply = bench
            .ask(eager(MINE, Duration::from_millis(1)))
            .await
            .unwrap();
        if reply.outcome == Outcome::Granted {
            assert_eq!(reply.record.unwrap().version.seq, 1);
            break;
        }
        // Its uptime is counted in whole seconds.
        bench.run(&["FLUSHALL"]);
    }
    while next(&mut messages).await.change != WriteKind::Granted {}
}

#[tokio::test]
async fn an_eager_start_leaves_a_record_that_is_there_alone() {
    let bench = Bench::new();
    bench.acquire(MINE).await;
    while bench
        .ask(eager(OTHER, Duration::ZERO))
        .await
        .unwrap()
        .outcome
        != Outcome::Refused
    {}
    assert_eq!(bench.inspect().await.unwrap().holder, None);
}

#[tokio::test]
async fn an_eager_start_takes_nothing_on_a_promoted_server() {
    // Without the delay of 5 s in which a master waits for more replicas.
    let master = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
    let port = master.port.to_string();
    let bench = Bench::with(RedisServer::start_with(&[
        "--replicaof",
        "127.0.0.1",
        &port,
    ]));
    // One connection for all the looking: a new one for each would use up the machine's ports.
    let mut connection = bench.server.connect();
    let mut info = |field: &str| {
        let text: String = redis::cmd("INFO").query(&mut connection).unwrap();
        text.contains(field)
    };
    while !info("master_link_status:up") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.run(&["REPLICAOF", "NO", "ONE"]);
    while info("uptime_in_seconds:0\r") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!info("second_repl_offset:-1\r"));
    let reply = bench
        .ask(eager(MINE, Duration::from_millis(1)))
        .await
        .unwrap();
    assert_eq!(reply.outcome, Outcome::Refused);
}

// Renew

#[tokio::test]
async fn a_renewal_extends_with_the_same_token() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    let reply = bench.renew(MINE, record.token).await;
    assert_eq!(reply.outcome, Outcome::Renewed);
    let renewed = reply.record.unwrap();
    assert_eq!(renewed.token, record.token);
    assert_eq!(renewed.version.seq, record.version.seq + 1);
    assert_eq!(bench.fields()["since"], record.token.to_string());
}

#[tokio::test]
async fn a_renewal_of_a_term_that_another_has_superseded_is_lost() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    let newer = bench.win(OTHER).await;
    let command = renew(MINE, record.token, Some(&newer.version));
    let reply = bench.ask(command).await.unwrap();
    assert_eq!(reply.outcome, Outcome::Lost);
    assert_eq!(reply.record, Some(newer.clone()));
    assert_eq!(bench.inspect().await, Some(newer));
}

#[tokio::test]
async fn a_renewal_with_the_token_of_the_record_but_another_identity_is_lost() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    let reply = bench.renew(OTHER, record.token).await;
    assert_eq!(reply.outcome, Outcome::Lost);
    assert_eq!(reply.record, Some(record));
}

#[tokio::test]
async fn a_renewal_after_the_own_release_is_lost() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    bench.release(MINE).await;
    assert_eq!(bench.renew(MINE, record.token).await.outcome, Outcome::Lost);
    assert!(bench.inspect().await.unwrap().released);
}

#[tokio::test]
async fn a_flushed_record_is_written_again_over_the_version_that_was_shown() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    bench.run(&["FLUSHALL"]);
    let stale = bench.renew(MINE, record.token).await;
    assert_eq!(stale.outcome, Outcome::Stale);
    let shown = stale.record.unwrap();
    assert_eq!((shown.holder, shown.version.seq), (None, 0));
    let reply = bench
        .ask(renew(MINE, record.token, Some(&shown.version)))
        .await
        .unwrap();
    assert_eq!(reply.outcome, Outcome::Renewed);
    let again = reply.record.unwrap();
    assert_eq!((again.holder, again.token), (Some(MINE), record.token));
    let fields = bench.fields();
    assert_eq!(
        fields["since"], fields["at"],
        "when it was granted is not known"
    );
    assert_eq!(
        bench.renew(MINE, record.token).await.outcome,
        Outcome::Renewed
    );
}

#[tokio::test]
async fn a_flushed_record_is_not_written_again_over_what_has_changed_since() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    bench.run(&["FLUSHALL"]);
    let shown = bench.renew(MINE, record.token).await.record.unwrap();
    // A grant with a smaller token, as after a backward step of the server's clock.
    bench.ask(over(OTHER, &shown.version)).await.unwrap();
    bench.set("token", "5");
    let reply = bench
        .ask(renew(MINE, record.token, Some(&shown.version)))
        .await
        .unwrap();
    assert_eq!(reply.outcome, Outcome::Stale);
    assert_eq!(bench.inspect().await.unwrap().holder, Some(OTHER));
}

#[tokio::test]
async fn a_missing_record_is_not_written_again_at_once_even_over_the_version_it_gets() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    bench.run(&["FLUSHALL"]);
    let created = Version {
        seq: 0,
        ..record.version
    };
    let reply = bench
        .ask(renew(MINE, record.token, Some(&created)))
        .await
        .unwrap();
    assert_eq!(reply.outcome, Outcome::Stale);
}

#[tokio::test]
async fn a_renewal_over_a_restart_is_stale_until_it_is_written_again() {
    let mut bench = Bench::new();
    let record = bench.win(MINE).await;
    bench.server.restart_with_data();
    let stale = bench.renew(MINE, record.token).await;
    assert_eq!(stale.outcome, Outcome::Stale);
    let shown = stale.record.unwrap();
    assert!(!shown.same_incarnation);
    assert_eq!(stale.listeners, None);
    let reply = bench
        .ask(renew(MINE, record.token, Some(&shown.version)))
        .await
        .unwrap();
    assert_eq!(reply.outcome, Outcome::Renewed);
    assert!(bench.inspect().await.unwrap().same_incarnation);
}

#[tokio::test]
async fn a_renewal_over_an_empty_restart_writes_the_record_again() {
    let mut bench = Bench::new();
    let record = bench.win(MINE).await;
    bench.server.restart_empty();
    let shown = bench.renew(MINE, record.token).await.record.unwrap();
    let reply = bench
        .ask(renew(MINE, record.token, Some(&shown.version)))
        .await
        .unwrap();
    assert_eq!(reply.outcome, Outcome::Renewed);
    assert_eq!(reply.record.unwrap().token, record.token);
}

#[tokio::test]
async fn a_record_of_a_later_grant_is_not_mine_again_after_a_restart() {
    let mut bench = Bench::new();
    let record = bench.win(MINE).await;
    bench.win(OTHER).await;
    bench.server.restart_with_data();
    assert_eq!(bench.renew(MINE, record.token).await.outcome, Outcome::Lost);
}

// Release

#[tokio::test]
async fn a_release_frees_what_is_mine_and_is_told_with_its_listeners() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    let mut messages = bench.store.subscribe(&bench.target);
    bench.inspect().await;
    let reply = bench.release(MINE).await;
    assert_eq!(reply.outcome, Outcome::Released);
    assert_eq!(reply.listeners, Some(0));
    let released = reply.record.unwrap();
    assert!(released.released);
    assert_eq!(released.holder, Some(MINE));
    assert_eq!(released.version.seq, record.version.seq + 1);
    let message = next(&mut messages).await;
    let expected = Message {
        change: WriteKind::Released,
        record: released,
        listeners: 3,
    };
    assert_eq!(message, expected);
}

#[tokio::test]
async fn a_second_release_and_a_late_one_change_nothing() {
    let bench = Bench::new();
    bench.win(MINE).await;
    let released = bench.release(MINE).await.record;
    let twice = bench.release(MINE).await;
    assert_eq!(
        (twice.outcome, &twice.record),
        (Outcome::NotMine, &released)
    );
    let newer = bench.acquire(OTHER).await.record;
    let late = bench.release(MINE).await;
    assert_eq!((late.outcome, &late.record), (Outcome::NotMine, &newer));
    assert_eq!(late.listeners, None);
    assert_eq!(bench.inspect().await, newer);
}

#[tokio::test]
async fn a_release_does_not_free_a_record_of_an_earlier_run() {
    let mut bench = Bench::new();
    bench.win(MINE).await;
    bench.server.restart_with_data();
    let reply = bench.release(MINE).await;
    assert_eq!(reply.outcome, Outcome::Stale);
    assert!(!bench.inspect().await.unwrap().released);
}

#[tokio::test]
async fn a_release_of_a_missing_record_is_stale_and_creates_none() {
    let bench = Bench::new();
    let reply = bench.release(MINE).await;
    assert_eq!((reply.outcome, reply.record), (Outcome::Stale, None));
    assert_eq!(bench.inspect().await, None);
    assert!(bench.fields().is_empty());
}

// Messages

#[tokio::test]
async fn every_write_is_told_with_what_it_was() {
    let bench = Bench::new();
    let mut messages = bench.store.subscribe(&bench.target);
    let mut written = vec![];
    let created = bench.acquire(MINE).await.record.unwrap();
    written.push((WriteKind::Created, created.clone()));
    let granted = bench
        .ask(over(MINE, &created.version))
        .await
        .unwrap()
        .record
        .unwrap();
    written.push((WriteKind::Granted, granted.clone()));
    let renewed = bench.renew(MINE, granted.token).await.record.unwrap();
    written.push((WriteKind::Renewed, renewed));
    let again = bench.acquire(MINE).await.record.unwrap();
    written.push((WriteKind::Granted, again));
    for (change, record) in written {
        let message = next(&mut messages).await;
        assert_eq!((message.change, message.record), (change, record));
    }
}

#[tokio::test]
async fn the_others_that_hear_are_counted_without_oneself() {
    let bench = Bench::new();
    let mut other = bench.server.connect();
    let mut heard = other.as_pubsub();
    heard.subscribe(format!("{KEY}:changes:0")).unwrap();
    assert_eq!(bench.acquire(MINE).await.listeners, Some(1));
    let _messages = bench.store.subscribe(&bench.target);
    bench.run(&["FLUSHALL"]);
    assert_eq!(bench.acquire(MINE).await.listeners, Some(1));
}

// Records that are not as we wrote them

const UNREADABLE: [(&str, &str); 25] = [
    ("token", ""),
    ("token", "-1"),
    ("token", "1e15"),
    ("token", " 1"),
    ("identity", "somebody"),
    ("identity", "0000000000000000000000000000000G"),
    ("identity", "0000000000000000000000000000000A"),
    ("seq", "x"),
    ("seq", "1.5"),
    ("seq", "9007199254740991"),
    ("epoch", "e0"),
    ("epoch", "00000000000000g0"),
    ("epoch", "00000000000000E0"),
    ("run", "abcd"),
    ("run", "ab:xy"),
    ("run", ""),
    ("nonce", ""),
    ("nonce", "00000000000000g0"),
    ("nonce", "00000000000000E0"),
    ("released", "2"),
    ("released", ""),
    ("ttl", "0"),
    ("ttl", "-5"),
    ("ttl", "soon"),
    ("ttl", "9007199254740992"),
];

#[tokio::test]
async fn a_record_with_a_field_that_cannot_be_parsed_counts_as_missing() {
    let bench = Bench::new();
    for (field, value) in UNREADABLE {
        bench.run(&["DEL", KEY]);
        let record = bench.win(OTHER).await;
        bench.release(OTHER).await;
        bench.set(field, value);
        assert_eq!(bench.inspect().await, None, "{field} {value:?}");
        assert_eq!(bench.release(OTHER).await.outcome, Outcome::Stale);
        let reply = bench.acquire(MINE).await;
        assert_eq!(reply.outcome, Outcome::Refused, "{field} {value:?}");
        let created = reply.record.unwrap();
        assert_eq!((created.holder, created.version.seq), (None, 0));
        let kept = if field == "token" {
            Token::NONE
        } else {
            record.token
        };
        assert_eq!(created.token, kept, "{field} {value:?}");
    }
}

#[tokio::test]
async fn a_record_that_lacks_a_field_counts_as_missing() {
    let bench = Bench::new();
    for field in [
        "token", "identity", "seq", "epoch", "run", "nonce", "released", "ttl",
    ] {
        bench.run(&["DEL", KEY]);
        let record = bench.win(MINE).await;
        bench.remove(field);
        assert_eq!(bench.inspect().await, None, "{field}");
        assert_eq!(
            bench.renew(MINE, record.token).await.outcome,
            Outcome::Stale,
            "{field}"
        );
    }
}

#[tokio::test]
async fn a_record_that_lacks_what_is_for_people_is_a_record() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    for field in ["at", "server", "since", "v"] {
        bench.remove(field);
    }
    assert_eq!(
        bench.renew(MINE, record.token).await.outcome,
        Outcome::Renewed
    );
}

#[tokio::test]
async fn the_largest_token_is_granted_and_none_above_it() {
    let bench = Bench::new();
    let version = bench.acquire(MINE).await.record.unwrap().version;
    let reply = bench
        .ask(with_floor(MINE, &version, MAX - 1))
        .await
        .unwrap();
    assert_eq!(reply.record.unwrap().token, Token::MAX);
    bench.release(MINE).await;
    let before = bench.fields();
    let cause = denied(bench.ask(acquire(OTHER)).await);
    assert!(
        cause.contains(KEY) && cause.contains(&MAX.to_string()),
        "{cause}"
    );
    assert_eq!(bench.fields(), before);
}

#[tokio::test]
async fn a_floor_at_the_limit_is_denied_and_nothing_is_written() {
    let bench = Bench::new();
    let version = bench.acquire(MINE).await.record.unwrap().version;
    let before = bench.fields();
    let cause = denied(bench.ask(with_floor(MINE, &version, MAX)).await);
    assert!(cause.contains(&MAX.to_string()), "{cause}");
    assert_eq!(bench.fields(), before);
}

#[tokio::test]
async fn a_record_with_an_unreadable_field_is_written_again_by_its_holder() {
    let bench = Bench::new();
    for (field, value) in UNREADABLE.into_iter().chain(BEYOND) {
        bench.run(&["DEL", KEY]);
        let record = bench.win(MINE).await;
        bench.set(field, value);
        let stale = bench.renew(MINE, record.token).await;
        assert_eq!(stale.outcome, Outcome::Stale, "{field} {value:?}");
        let shown = stale.record.unwrap().version;
        let again = bench.ask(renew(MINE, record.token, Some(&shown)));
        let again = again.await.unwrap();
        assert_eq!(again.outcome, Outcome::Renewed, "{field} {value:?}");
        let written = again.record.unwrap();
        assert_eq!((written.holder, written.token), (Some(MINE), record.token));
    }
}

#[tokio::test]
async fn a_record_that_another_made_anew_is_written_again_by_its_holder() {
    let bench = Bench::new();
    for (field, value) in UNREADABLE {
        bench.run(&["DEL", KEY]);
        let record = bench.win(MINE).await;
        bench.set(field, value);
        bench.acquire(OTHER).await;
        let shown = bench.renew(MINE, record.token).await;
        assert_eq!(shown.outcome, Outcome::Stale, "{field} {value:?}");
        let version = shown.record.unwrap().version;
        let again = bench.ask(renew(MINE, record.token, Some(&version)));
        assert_eq!(again.await.unwrap().outcome, Outcome::Renewed);
    }
}

#[tokio::test]
async fn an_unreadable_record_that_names_another_or_a_newer_grant_is_lost() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    bench.win(OTHER).await;
    bench.set("ttl", "soon");
    let lost = bench.renew(MINE, record.token).await;
    assert_eq!(lost.outcome, Outcome::Lost);

    bench.run(&["DEL", KEY]);
    let record = bench.win(OTHER).await;
    bench.set("token", "soon");
    let lost = bench.renew(MINE, record.token).await;
    assert_eq!(lost.outcome, Outcome::Lost);

    bench.run(&["DEL", KEY]);
    let record = bench.win(MINE).await;
    let newer = record.token.get() + 1;
    bench.set("token", &newer.to_string());
    bench.set("ttl", "soon");
    let lost = bench.renew(MINE, record.token).await;
    assert_eq!(lost.outcome, Outcome::Lost);
    assert_eq!(lost.record.unwrap().token.get(), newer);
}

#[tokio::test]
async fn an_eager_start_takes_no_record_that_cannot_be_read() {
    let bench = Bench::new();
    bench.win(MINE).await;
    bench.set("ttl", "soon");
    bench.up_for_longer_than(Duration::ZERO).await;
    let reply = bench.ask(eager(OTHER, Duration::ZERO)).await.unwrap();
    assert_eq!(reply.outcome, Outcome::Refused);
}

const BEYOND: [(&str, &str); 2] = [
    ("token", "9007199254740992"),
    ("token", "99999999999999999999999999"),
];

#[tokio::test]
async fn of_an_endless_token_the_beginning_is_told() {
    let bench = Bench::new();
    bench.win(MINE).await;
    bench.set("token", &"9".repeat(100_000));
    let cause = denied(bench.ask(acquire(OTHER)).await);
    assert!(
        cause.contains(&"9".repeat(40)) && cause.len() < 200,
        "{cause}"
    );
}

#[tokio::test]
async fn a_token_beyond_all_limits_is_denied_with_key_and_value_and_left_alone() {
    let bench = Bench::new();
    bench.win(MINE).await;
    for (field, value) in BEYOND {
        bench.set(field, value);
        let before = bench.fields();
        for command in [
            acquire(OTHER),
            renew(OTHER, Token::MAX, None),
            commands::release(OTHER),
            Command::Inspect,
        ] {
            let cause = denied(bench.ask(command).await);
            assert!(cause.contains(KEY) && cause.contains(value), "{cause}");
        }
        assert_eq!(bench.fields(), before);
    }
}

#[tokio::test]
async fn a_record_of_a_newer_release_is_left_alone() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    bench.set("v", "2");
    let before = bench.fields();
    for command in [
        acquire(OTHER),
        over(OTHER, &record.version),
        renew(MINE, record.token, None),
        Command::Release {
            identity: MINE,
            listeners: 0,
            reason: None,
            nonce: NONCE,
        },
        Command::Inspect,
    ] {
        let cause = denied(bench.ask(command).await);
        assert!(cause.contains(KEY) && cause.contains("v is 2"), "{cause}");
    }
    assert_eq!(bench.fields(), before);
}

#[tokio::test]
async fn a_key_of_another_type_is_named() {
    let bench = Bench::new();
    bench.run(&["SET", KEY, "something"]);
    for command in [
        acquire(MINE),
        renew(MINE, Token::new(1), None),
        Command::Inspect,
    ] {
        let cause = denied(bench.ask(command).await);
        assert!(
            cause.contains(KEY) && cause.contains("WRONGTYPE"),
            "{cause}"
        );
    }
}

// The roster, the ranks and the log

const ROSTER: &str = "primary:{chronos}:standbys";

impl Bench {
    fn standbys(&self) -> u64 {
        let mut command = redis::cmd("ZCARD");
        command
            .arg(ROSTER)
            .query(&mut self.server.connect())
            .unwrap()
    }

    /// So many entered it, and were never seen again.
    fn leave_behind(&self, standbys: usize) {
        let mut add = redis::cmd("ZADD");
        add.arg(ROSTER);
        for number in 0..standbys {
            add.arg(number).arg(format!("{number} 0 - gone"));
        }
        add.exec(&mut self.server.connect()).unwrap();
    }
}

#[tokio::test]
async fn a_write_of_a_roster_of_ten_thousand_looks_at_ten_of_those_that_are_gone() {
    let bench = Bench::new();
    bench.win(MINE).await;
    bench.leave_behind(10_000);
    for polls in 1..=3 {
        bench.ask(signing(OTHER, "1000")).await.unwrap();
        assert_eq!(bench.standbys(), 10_001 - 10 * polls);
    }
    let mut command = redis::cmd("PTTL");
    let left: u64 = command
        .arg(ROSTER)
        .query(&mut bench.server.connect())
        .unwrap();
    assert!(left <= 2 * TTL.as_millis() as u64, "{left}");
}

#[tokio::test]
async fn whoever_does_not_ask_for_it_writes_nothing_when_refused() {
    let bench = Bench::new();
    bench.win(MINE).await;
    let before = bench.fields();
    bench.acquire(OTHER).await;
    assert_eq!((bench.fields(), bench.standbys()), (before, 0));
}

#[tokio::test]
async fn a_rank_that_nobody_enters_any_more_is_forgotten_after_a_ttl() {
    let bench = Bench::new();
    bench.win(MINE).await;
    let ms = bench.time_us() / 1_000;
    let old = ms - TTL.as_millis() as u64 - 1;
    // As of a clock that was set back.
    let ahead = ms + 3_600_000;
    bench.set("ranks", &format!("1003:{ahead},1002:{old},1001:{ms}"));
    bench.ask(signing(OTHER, "1000")).await.unwrap();
    assert_eq!(
        bench.inspect().await.unwrap().ranks.to_string(),
        "1001,1000"
    );
}

#[tokio::test]
async fn whatever_stands_in_the_ranks_and_the_log_costs_no_answer() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    for odd in [
        "?",
        "1001:x",
        "a b:1 c:2",
        ":,:,",
        "\n\u{0}",
        &"1001:1,".repeat(9_999),
    ] {
        bench.set("ranks", odd);
        bench.set("log", odd);
        let shown = bench.inspect().await.unwrap();
        assert_eq!(
            (shown.version, shown.token),
            (record.version.clone(), record.token)
        );
        let refused = bench.ask(signing(OTHER, "1000")).await.unwrap();
        assert_eq!(refused.outcome, Outcome::Refused);
        let ranks = bench.inspect().await.unwrap().ranks.to_string();
        assert_eq!(ranks, "1000", "{odd:?}");
    }
    assert_eq!(bench.release(MINE).await.outcome, Outcome::Released);
    assert!(bench.fields()["log"].len() < 1_200);
}

#[tokio::test]
async fn a_hostile_name_is_one_entry_and_one_line() {
    let mut bench = Bench::new();
    let name = "a\nb\u{1b}[31m \u{7f}".to_owned() + &"\u{1f600}".repeat(193);
    bench.target.server = name.as_str().into();
    bench.target.entry = format!("7 0 - {name}").into();
    bench.win(MINE).await;
    bench.ask(signing(OTHER, "1000")).await.unwrap();
    let mut range = redis::cmd("ZRANGE");
    range.arg(ROSTER).arg(0).arg(-1);
    let entries: Vec<String> = range.query(&mut bench.server.connect()).unwrap();
    assert_eq!(entries, [format!("7 0 - {name}")]);
    let log = bench.fields()["log"].clone();
    let name = name.replace(['\n', '\u{1b}', '\u{7f}'], "?");
    assert!(log.ends_with(&format!("elected-missing {name}")), "{log}");
    assert_eq!(log.lines().count(), 1);
}

#[tokio::test]
async fn no_roster_and_no_log_costs_an_answer() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    for rules in [
        &["~*", "&*", "+@all", "-@sortedset", "-hget"][..],
        &["~*", "&*", "+@all", "-zrangebyscore", "-zrem", "-pexpire"][..],
    ] {
        let store = user(&bench.server, rules);
        let asked = request(signing(OTHER, "1000"));
        let refused = store.send(&bench.target, &asked).await.unwrap();
        assert_eq!(refused.outcome, Outcome::Refused);
        let again = request(over(OTHER, &refused.record.unwrap().version));
        let granted = store.send(&bench.target, &again).await.unwrap();
        assert_eq!(granted.outcome, Outcome::Granted);
        let released = request(commands::release(OTHER));
        let released = store.send(&bench.target, &released).await.unwrap();
        assert_eq!(released.outcome, Outcome::Released);
        bench.win(MINE).await;
    }
    bench.run(&["SET", ROSTER, "of another type"]);
    let refused = bench.ask(signing(OTHER, "1000")).await.unwrap();
    assert_eq!(refused.outcome, Outcome::Refused);
    bench.run(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = bench.ask(signing(OTHER, "1000")).await.unwrap();
    assert_eq!(refused.outcome, Outcome::Refused);
    bench.run(&["CONFIG", "SET", "maxmemory", "0"]);
    bench.run(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let refused = bench.ask(signing(OTHER, "1000")).await.unwrap();
    assert_eq!(refused.outcome, Outcome::Refused);
    assert!(refused.record.unwrap().token > record.token);
}

// Permissions

fn user(server: &RedisServer, rules: &[&str]) -> RedisStore {
    let mut command = redis::cmd("ACL");
    command
        .arg("SETUSER")
        .arg("bob")
        .arg(&["reset", "on", ">secret"])
        .arg(rules);
    command.exec(&mut server.connect()).unwrap();
    let source = RedisSource {
        username: Some("bob".into()),
        password: Some("secret".into()),
        ..RedisSource::parse_url(&server.url()).unwrap()
    };
    RedisStore::open(source, &Handle::current())
}

#[tokio::test]
async fn a_refused_publish_changes_no_reply() {
    let server = RedisServer::start();
    for rules in [
        &["~*", "+@all", "-publish", "&*"][..],
        &["~*", "+@all", "resetchannels"][..],
    ] {
        redis::cmd("FLUSHALL").exec(&mut server.connect()).unwrap();
        let store = user(&server, rules);
        let created = store
            .send(&target("chronos"), &request(acquire(MINE)))
            .await
            .unwrap();
        assert_eq!(
            (created.outcome, created.listeners),
            (Outcome::Refused, None)
        );
        let version = created.record.unwrap().version;
        let granted = store
            .send(&target("chronos"), &request(over(MINE, &version)))
            .await
            .unwrap();
        assert_eq!(
            (granted.outcome, granted.listeners),
            (Outcome::Granted, None)
        );
    }
}

#[tokio::test]
async fn a_refused_info_is_denied_by_name_and_nothing_is_written() {
    let server = RedisServer::start();
    let store = user(&server, &["~*", "&*", "+@all", "-info"]);
    let cause = denied(
        store
            .send(&target("chronos"), &request(acquire(MINE)))
            .await,
    );
    assert!(cause.contains("INFO"), "{cause}");
    let keys: u64 = redis::cmd("DBSIZE").query(&mut server.connect()).unwrap();
    assert_eq!(keys, 0);
}

#[tokio::test]
async fn a_refused_write_or_key_is_denied() {
    let server = RedisServer::start();
    for rules in [
        &["~*", "&*", "+@all", "-hset"][..],
        &["~*", "&*", "+@all", "-hmget"][..],
        &["~*", "&*", "+@all", "-time"][..],
        &["~*", "&*", "+@all", "-eval"][..],
        &["~other:*", "&*", "+@all"][..],
    ] {
        let store = user(&server, rules);
        let cause = denied(
            store
                .send(&target("chronos"), &request(acquire(MINE)))
                .await,
        );
        assert!(!cause.contains("secret"), "{cause}");
    }
}

#[tokio::test]
async fn one_who_may_only_read_can_inspect() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    let store = user(&bench.server, &["~*", "resetchannels", "+@all", "-@write"]);
    let reply = store
        .send(&target("chronos"), &request(Command::Inspect))
        .await
        .unwrap();
    assert_eq!((reply.outcome, reply.record), (Outcome::Seen, Some(record)));
}

#[tokio::test]
async fn a_full_server_refuses_and_nothing_is_written() {
    let bench = Bench::new();
    let record = bench.win(MINE).await;
    bench.run(&["CONFIG", "SET", "maxmemory", "1"]);
    let answer = bench.ask(renew(MINE, record.token, None)).await;
    let Err(Failure::Refused { cause }) = answer else {
        panic!("{answer:?}");
    };
    // Redis 6.2 has words of its own before it.
    let said = "OOM command not allowed when used memory > 'maxmemory'";
    assert!(cause.contains(said), "{cause}");
    bench.run(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(bench.inspect().await, Some(record));
}
