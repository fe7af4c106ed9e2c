//! Managed services that do not answer INFO in a script, as their documents describe them.

mod ask_run;
mod commands;
mod redis_server;
mod strange_server;

use std::sync::Arc;

use ask_run::AskRun;
use commands::{MINE, OTHER, TTL, acquire, over, release, renew, request, target};
use primary_lease::election::run::{RunCommand, RunOutcome, RunRequest};
use primary_lease::election::{Command, Failure, Nonce, Outcome, Reply, Time, Token, Version};
use primary_lease::store::{
    CommandReply, FenceOutcome, FenceRequest, FenceStore, RedisSource, RedisStore, Store,
};
use redis_server::RedisServer;
use strange_server::service::{Service, serve};
use tokio::runtime::Handle;

/// "INFO: Not supported for scripts", of Redis Software and Redis Cloud, and so of Azure Managed Redis; ROLE,
/// SELECT of another database and more are not supported at all. In which words is not said: these are
/// those that a Redis has for a command that scripts may not call.
const REDIS_SOFTWARE: Service = Service {
    name: "Redis Software",
    info: "return {err = 'ERR This Redis command is not allowed from script'}",
    declared_keys: true,
    refused: &["HELLO", "ROLE", "SELECT"],
    words: "ERR unknown command",
};

/// "A section name that is not supported produces only its heading": there is no `replication`.
const UPSTASH: Service = Service {
    name: "Upstash",
    info: "if section == 'server' then return '# Server\\r\\nredis_version:6.2.6\\r\\n' end \
           return '# Replication\\r\\n'",
    declared_keys: false,
    refused: &["HELLO", "ROLE", "COMMAND"],
    words: "ERR Command is not available",
};

/// "script tried accessing undeclared key"; a `master_replid` of its process, and no `run_id`.
const DRAGONFLY: Service = Service {
    name: "Dragonfly",
    info: "if section == 'server' then return '# Server\\r\\nredis_version:7.4.0\\r\\n' end \
           return '# Replication\\r\\nrole:master\\r\\nmaster_replid:8c0a8f\\r\\n'",
    declared_keys: true,
    refused: &["HELLO", "ROLE"],
    words: "ERR unknown command",
};

const ALL: [Service; 3] = [REDIS_SOFTWARE, UPSTASH, DRAGONFLY];

/// A store of the service, and the Redis behind it.
async fn open(service: Service, failover_unsafe: bool) -> (RedisStore, RedisServer) {
    let redis = RedisServer::start();
    let port = serve(service, redis.port).await;
    let mut source = RedisSource::parse_url(&format!("redis://127.0.0.1:{port}")).unwrap();
    source.failover_unsafe = failover_unsafe;
    (RedisStore::open(source, &Handle::current()), redis)
}

async fn ask(store: &RedisStore, command: Command) -> Result<Reply, Failure> {
    store.send(&target("chronos"), &request(command)).await
}

async fn outcome(store: &RedisStore, command: Command) -> (Outcome, Version, Token) {
    let reply = ask(store, command).await.unwrap();
    let record = reply.record.unwrap();
    (reply.outcome, record.version, record.token)
}

fn denied(answer: Result<Reply, Failure>) -> Arc<str> {
    match answer {
        Err(Failure::Denied { cause }) => cause,
        other => panic!("not denied: {other:?}"),
    }
}

#[tokio::test]
async fn without_the_option_the_error_names_it() {
    for service in ALL {
        let (store, _redis) = open(service, false).await;
        let cause = denied(ask(&store, acquire(MINE)).await);
        assert!(cause.contains("INFO"), "{}: {cause}", service.name);
        assert!(
            cause.contains("failoverUnsafe"),
            "{}: {cause}",
            service.name
        );
    }
}

#[tokio::test]
async fn with_the_option_nothing_is_taken_that_was_not_watched() {
    for service in ALL {
        let (store, _redis) = open(service, true).await;
        let (missing, version, _) = outcome(&store, acquire(MINE)).await;
        assert_eq!(missing, Outcome::Refused, "{}", service.name);
        assert!(version.is_untold(), "{}: {version}", service.name);
        let (taken, granted, token) = outcome(&store, over(MINE, &version)).await;
        assert_eq!(taken, Outcome::Granted, "{}", service.name);
        // The same acquire again, as after a lost reply, is granted by a watch alone.
        assert_eq!(outcome(&store, acquire(MINE)).await.0, Outcome::Refused);
        let (renewed, later, _) = outcome(&store, renew(MINE, token, None)).await;
        assert_eq!(renewed, Outcome::Renewed, "{}", service.name);
        assert_ne!(later.incarnation, granted.incarnation);
        assert_eq!(
            outcome(&store, over(OTHER, &granted)).await.0,
            Outcome::Refused
        );
        let (released, free, _) = outcome(&store, release(MINE)).await;
        assert_eq!(released, Outcome::Released, "{}", service.name);
        assert_eq!(outcome(&store, acquire(OTHER)).await.0, Outcome::Refused);
        let (taken, _, next) = outcome(&store, over(OTHER, &free)).await;
        assert_eq!(taken, Outcome::Granted, "{}", service.name);
        assert!(next > token);
    }
}

#[tokio::test]
async fn the_replication_id_counts_where_there_is_one() {
    let (store, _redis) = open(DRAGONFLY, true).await;
    let (_, version, _) = outcome(&store, acquire(MINE)).await;
    assert!(version.incarnation.starts_with("0:8c0a8f"), "{version}");
}

#[tokio::test]
async fn a_write_that_came_back_is_not_one_of_the_same_number() {
    let (store, redis) = open(UPSTASH, true).await;
    let key = "primary:{chronos}";
    let (_, created, _) = outcome(&store, acquire(MINE)).await;
    let mut connection = redis.connect();
    let kept: Vec<u8> = redis::cmd("DUMP").arg(key).query(&mut connection).unwrap();
    let (_, mine, token) = outcome(&store, over(MINE, &created)).await;
    let (_, seen, _) = outcome(&store, renew(MINE, token, None)).await;
    // A failover to a replica that had seen nothing of this.
    let mut restore = redis::cmd("RESTORE");
    restore.arg(key).arg(0).arg(&kept[..]).arg("REPLACE");
    restore.exec(&mut connection).unwrap();
    let again = Command::Acquire {
        identity: OTHER,
        ttl: TTL,
        floor: Token::NONE,
        watched: Some(created.clone()),
        eager: None,
        rank: None,
        nonce: Nonce::new(0x77),
    };
    let (taken, other, others) = outcome(&store, again).await;
    assert_eq!((taken, other.seq), (Outcome::Granted, mine.seq));
    assert_ne!(other, mine);
    let renewal = Command::Renew {
        identity: OTHER,
        token: others,
        ttl: TTL,
        over: None,
        nonce: Nonce::new(0x78),
    };
    let (_, later, _) = outcome(&store, renewal).await;
    assert_eq!(later.seq, seen.seq);
    // Whoever has watched the write that was lost does not take this one for it.
    assert_eq!(outcome(&store, over(MINE, &seen)).await.0, Outcome::Refused);
}

#[tokio::test]
async fn whoever_has_not_the_option_keeps_out_of_an_election_that_rests_on_it() {
    let (with, redis) = open(UPSTASH, true).await;
    outcome(&with, acquire(MINE)).await;
    // The same record where INFO is answered.
    let source = RedisSource::parse_url(&redis.url()).unwrap();
    let without = RedisStore::open(source.clone(), &Handle::current());
    for command in [acquire(OTHER), release(OTHER), Command::Inspect] {
        let cause = denied(ask(&without, command).await);
        assert!(cause.contains("failoverUnsafe"), "{cause}");
        assert!(cause.contains("primary:{chronos}"), "{cause}");
    }
    // And with it, what the server tells counts.
    let told = RedisSource {
        failover_unsafe: true,
        ..source
    };
    let told = RedisStore::open(told, &Handle::current());
    let (outcome, version, _) = outcome(&told, acquire(OTHER)).await;
    assert_eq!(outcome, Outcome::Refused);
    assert!(!version.is_untold(), "{version}");
}

#[tokio::test]
async fn a_missing_permission_is_named_and_not_done_without() {
    let redis = RedisServer::start();
    let mut connection = redis.connect();
    let rules = ["on", ">secret", "~*", "&*", "+@all", "-info"];
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER").arg("bob").arg(&rules);
    user.exec(&mut connection).unwrap();
    let url = redis.url().replace("//", "//bob:secret@") + "?failoverUnsafe=true";
    let source = RedisSource::parse_url(&url).unwrap();
    let store = RedisStore::open(source, &Handle::current());
    let cause = denied(ask(&store, acquire(MINE)).await);
    assert!(cause.contains("+info"), "{cause}");
    assert!(!cause.contains("failoverUnsafe"), "{cause}");
}

#[tokio::test]
async fn runs_and_fences_need_no_option() {
    for service in ALL {
        let (store, _redis) = open(service, false).await;
        let run = |id, command| RunRequest {
            id,
            sent_at: Time::ZERO,
            tell_sent: false,
            bound: commands::PATIENCE,
            patience: commands::PATIENCE,
            command,
        };
        let command = RunCommand::Acquire {
            identity: MINE,
            ttl: TTL,
            tick: None,
        };
        let granted = store.ask_run("mail", &run(1, command)).await;
        let granted = granted.unwrap_or_else(|failure| panic!("{}: {failure:?}", service.name));
        assert!(matches!(granted, RunOutcome::Granted { .. }), "{granted:?}");
        let fence = |command: &[&str]| FenceRequest {
            resource: "mail".into(),
            lease: "lease:mail".into(),
            token: Token::new(5),
            command: Some(
                command
                    .iter()
                    .map(|word| word.as_bytes().to_vec())
                    .collect(),
            ),
            bound: commands::PATIENCE,
        };
        for (command, reply) in [
            (
                &["SET", "letters", "3"][..],
                CommandReply::Bytes(b"OK".into()),
            ),
            (
                &["MGET", "letters", "none"],
                CommandReply::List(vec![
                    CommandReply::Bytes(b"3".into()),
                    CommandReply::Nothing,
                ]),
            ),
        ] {
            let passed = store.fence(fence(command)).await;
            assert_eq!(passed, Ok(FenceOutcome::Passed(reply)), "{}", service.name);
        }
    }
}
