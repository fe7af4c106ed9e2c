//! One suite, which every store passes: what the simulation is played against has to behave as what
//! ships.

mod commands;
mod redis_server;
#[macro_use]
mod suite;

use std::sync::Arc;

use commands::{
    ENTRY, MINE, NONCE, OTHER, PATIENCE, TTL, acquire, leaving, next, over, release, renew,
    request, signing, target,
};
use primary_lease::election::{Command, Outcome, Reason, Record, Reply, Token, WriteKind};
use primary_lease::store::{
    Backend, CommandReply, FenceOutcome, FenceRequest, MemoryStore, RedisSource, RedisStore, Target,
};
use redis_server::RedisServer;
use tokio::runtime::Handle;

/// A store of ours and one of another server, on the same records.
struct Bench {
    ours: Arc<dyn Backend>,
    theirs: Arc<dyn Backend>,
    target: Target,
    memory: Option<Arc<MemoryStore>>,
    server: Option<RedisServer>,
}

impl Bench {
    fn in_memory(case: &str) -> Self {
        let store = MemoryStore::named(case, || 1_795_000_000_000_000);
        Bench {
            ours: store.clone(),
            theirs: store.clone(),
            target: target("suite"),
            memory: Some(store),
            server: None,
        }
    }

    fn on_redis(_case: &str) -> Self {
        Self::on(RedisServer::start())
    }

    fn on_redis_without_resp3(_case: &str) -> Self {
        Self::on(RedisServer::start_with(&["--rename-command", "HELLO", ""]))
    }

    fn on(server: RedisServer) -> Self {
        let source = RedisSource::parse_url(&server.url()).unwrap();
        let open = || Arc::new(RedisStore::open(source.clone(), &Handle::current()));
        Bench {
            ours: open(),
            theirs: open(),
            target: target("suite"),
            memory: None,
            server: Some(server),
        }
    }

    async fn ask(&self, command: Command) -> Reply {
        let answer = self.ours.send(&self.target, &request(command)).await;
        answer.unwrap()
    }

    /// Who is entered in the roster.
    fn standbys(&self) -> Vec<String> {
        if let Some(memory) = &self.memory {
            let entries = memory.standbys(&self.target).into_iter();
            return entries.map(|(entry, _)| entry.to_string()).collect();
        }
        let mut connection = self.server.as_ref().unwrap().connect();
        let mut range = redis::cmd("ZRANGE");
        range.arg("primary:{suite}:standbys").arg(0).arg(-1);
        range.query(&mut connection).unwrap()
    }

    /// The log without its times and tokens, the latest change first.
    fn changes(&self) -> Vec<String> {
        let log = match &self.memory {
            Some(memory) => memory.changes(&self.target).join("\n"),
            None => {
                let mut connection = self.server.as_ref().unwrap().connect();
                let mut get = redis::cmd("HGET");
                let log: Option<String> = get
                    .arg("primary:{suite}")
                    .arg("log")
                    .query(&mut connection)
                    .unwrap();
                log.unwrap_or_default()
            }
        };
        let change = |line: &str| {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            assert!(
                words[0].parse::<u64>().unwrap() > 1_700_000_000_000_000,
                "{line}"
            );
            words[1].parse::<u64>().unwrap();
            words[2].to_owned()
        };
        log.lines().map(change).collect()
    }

    /// Takes a missing record: at once in memory, as one who has watched it on Redis.
    async fn win(&self) -> Record {
        let first = self.ask(acquire(MINE)).await;
        let reply = match first.outcome {
            Outcome::Granted => first,
            _ => self.ask(over(MINE, &first.record.unwrap().version)).await,
        };
        assert_eq!(reply.outcome, Outcome::Granted);
        reply.record.unwrap()
    }
}

async fn a_missing_record_is_seen_as_none_and_has_nothing_to_release(bench: Bench) {
    let seen = bench.ask(Command::Inspect).await;
    assert_eq!((seen.outcome, seen.record), (Outcome::Seen, None));
    let gone = bench.ask(release(MINE)).await;
    assert_eq!((gone.outcome, gone.record), (Outcome::Stale, None));
}

async fn a_grant_shows_its_holder_and_is_what_others_see(bench: Bench) {
    let won = bench.win().await;
    assert_eq!(won.holder, Some(MINE));
    assert_eq!(&*won.server, "server one");
    assert_eq!(won.ttl, TTL);
    assert!(won.token > Token::NONE && won.same_incarnation && !won.released);
    assert_eq!(bench.ask(Command::Inspect).await.record, Some(won));
}

async fn an_acquire_whose_reply_was_lost_is_granted_again_with_its_token(bench: Bench) {
    let won = bench.win().await;
    let again = bench.ask(acquire(MINE)).await;
    assert_eq!(again.outcome, Outcome::Granted);
    let again = again.record.unwrap();
    assert_eq!(again.token, won.token);
    assert_eq!(again.version.seq, won.version.seq + 1);
}

async fn a_command_that_is_repeated_is_told_with_another_nonce(bench: Bench) {
    let won = bench.win().await;
    let command = renew(MINE, won.token, None);
    let first = bench.ask(command.clone()).await.record.unwrap();
    let repeated = bench.ask(command).await.record.unwrap();
    assert_eq!(repeated.version.seq, first.version.seq + 1);
    let told = [won.nonce, first.nonce, repeated.nonce];
    assert_ne!(told[1], told[2], "whoever heard the first knows the second");
    assert!(
        !told.contains(&NONCE),
        "a command's own nonce is told to nobody"
    );
}

async fn a_held_record_is_refused_and_not_written(bench: Bench) {
    let won = bench.win().await;
    let refused = bench.ask(acquire(OTHER)).await;
    assert_eq!(refused.outcome, Outcome::Refused);
    assert_eq!((refused.record, refused.listeners), (Some(won), None));
}

async fn a_held_record_that_is_still_as_watched_is_taken_with_a_larger_token(bench: Bench) {
    let won = bench.win().await;
    let taken = bench.ask(over(OTHER, &won.version)).await;
    assert_eq!(taken.outcome, Outcome::Granted);
    let taken = taken.record.unwrap();
    assert_eq!(taken.holder, Some(OTHER));
    assert!(taken.token > won.token);
    let late = bench.ask(renew(MINE, won.token, None)).await;
    assert_eq!(late.outcome, Outcome::Lost);
}

async fn a_renewal_ends_what_others_have_watched(bench: Bench) {
    let won = bench.win().await;
    let renewed = bench.ask(renew(MINE, won.token, None)).await;
    assert_eq!(renewed.outcome, Outcome::Renewed);
    let taken = bench.ask(over(OTHER, &won.version)).await;
    assert_eq!(taken.outcome, Outcome::Refused);
}

async fn a_stranger_can_neither_renew_nor_release(bench: Bench) {
    let won = bench.win().await;
    let renewed = bench.ask(renew(OTHER, won.token, None)).await;
    assert_eq!(renewed.outcome, Outcome::Lost);
    let released = bench.ask(release(OTHER)).await;
    assert_eq!(released.outcome, Outcome::NotMine);
    assert_eq!(bench.ask(Command::Inspect).await.record, Some(won));
}

async fn a_holder_of_a_newer_grant_writes_it_again_over_what_it_was_shown(bench: Bench) {
    let older = bench.win().await;
    let newer = Token::new(older.token.get() + 1);
    let stale = bench.ask(renew(OTHER, newer, None)).await;
    assert_eq!(stale.outcome, Outcome::Stale);
    let shown = stale.record.unwrap().version;
    let written = bench.ask(renew(OTHER, newer, Some(&shown))).await;
    assert_eq!(written.outcome, Outcome::Renewed);
    assert_eq!(written.record.unwrap().token, newer);
    let later = Token::new(newer.get() + 1);
    let too_late = bench.ask(renew(MINE, later, Some(&shown))).await;
    assert_eq!(too_late.outcome, Outcome::Stale, "it was written since");
}

async fn a_released_record_is_anybodys_but_its_last_holders(bench: Bench) {
    let won = bench.win().await;
    let released = bench.ask(release(MINE)).await;
    assert_eq!(released.outcome, Outcome::Released);
    assert!(released.record.unwrap().released);
    let late = bench.ask(acquire(MINE)).await;
    assert_eq!(late.outcome, Outcome::Refused, "a late duplicate");
    let next = bench.ask(acquire(OTHER)).await;
    assert_eq!(next.outcome, Outcome::Granted);
    assert!(next.record.unwrap().token > won.token);
}

async fn what_is_sent_later_arrives_later(bench: Bench) {
    bench.win().await;
    let send = |command| bench.ours.send(&bench.target, &request(command));
    let (released, taken) = (send(release(MINE)), send(acquire(OTHER)));
    // Sent by the calls, whichever is asked for its answer first.
    assert_eq!(taken.await.unwrap().outcome, Outcome::Granted);
    assert_eq!(released.await.unwrap().outcome, Outcome::Released);
}

async fn every_write_is_told_to_all_who_listen(bench: Bench) {
    let mut ours = bench.ours.subscribe(&bench.target);
    let mut theirs = bench.theirs.subscribe(&bench.target);
    bench.win().await;
    // Until both have subscribed; the reply counts the others, hence one.
    let listening = async {
        while bench.ask(acquire(MINE)).await.listeners != Some(1)
            || ours.is_empty()
            || theirs.is_empty()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, listening).await.unwrap();
    let held = bench.ask(acquire(MINE)).await.record.unwrap();
    let renewed = bench.ask(renew(MINE, held.token, None)).await;
    let released = bench.ask(release(MINE)).await;
    let granted = bench.ask(acquire(OTHER)).await;
    for messages in [&mut ours, &mut theirs] {
        while next(messages).await.record != held {}
        for (change, reply, listeners) in [
            (WriteKind::Renewed, &renewed, 0),
            (WriteKind::Released, &released, 3),
            (WriteKind::Granted, &granted, 0),
        ] {
            let message = next(messages).await;
            assert_eq!((message.change, message.listeners), (change, listeners));
            assert_eq!(Some(&message.record), reply.record.as_ref());
        }
    }
}

async fn a_resource_refuses_what_is_below_the_highest_token_of_the_same_lease(bench: Bench) {
    let passed = FenceOutcome::Passed(CommandReply::Nothing);
    let stale = |highest| FenceOutcome::Stale {
        highest: Token::new(highest),
    };
    for (resource, lease, token, expected) in [
        ("mail", "primary:chronos", 5, &passed),
        ("mail", "primary:chronos", 5, &passed),
        ("mail", "primary:chronos", 7, &passed),
        ("mail", "primary:chronos", 6, &stale(7)),
        ("mail", "lease:chronos", 6, &passed),
        ("mail", "lease:chronos", 5, &stale(6)),
        ("post", "primary:chronos", 3, &passed),
        ("mail", "primary:chronos", 7, &passed),
    ] {
        let request = FenceRequest {
            resource: resource.into(),
            lease: lease.into(),
            token: Token::new(token),
            command: None,
            bound: PATIENCE,
        };
        for store in [&bench.ours, &bench.theirs] {
            let outcome = store.fence(request.clone()).await.unwrap();
            assert_eq!(outcome, *expected, "{request:?}");
        }
    }
}

async fn who_is_refused_stands_in_the_roster_until_it_is_elected_or_leaves(bench: Bench) {
    bench.win().await;
    assert_eq!(bench.standbys(), [""; 0]);
    let asked = bench.ask(acquire(OTHER)).await;
    assert_eq!(asked.outcome, Outcome::Refused);
    assert_eq!(bench.standbys(), [""; 0], "it did not ask to be entered");
    bench.ask(signing(OTHER, "1001")).await;
    bench.ask(signing(OTHER, "1001")).await;
    assert_eq!(bench.standbys(), [ENTRY]);
    // It leaves, with the release of what it may have been granted.
    assert_eq!(bench.ask(release(OTHER)).await.outcome, Outcome::NotMine);
    assert_eq!(bench.standbys(), [""; 0]);
    bench.ask(signing(OTHER, "1001")).await;
    bench.ask(release(MINE)).await;
    let elected = bench.ask(signing(OTHER, "1001")).await;
    assert_eq!(elected.outcome, Outcome::Granted);
    assert_eq!(bench.standbys(), [""; 0]);
}

async fn the_highest_ranks_are_shown_and_the_version_stays(bench: Bench) {
    let won = bench.win().await;
    let ask = |rank| bench.ask(signing(OTHER, rank));
    assert_eq!(ask("1000").await.record, Some(won.clone()));
    for (rank, shown) in [
        ("1000B!", "1000"),
        ("1000a!", "1000B!,1000"),
        ("0999", "1000a!,1000B!,1000"),
        ("1001", "1000a!,1000B!,1000,0999"),
        ("1000", "1001,1000a!,1000B!,1000"),
        ("0001", "1001,1000a!,1000B!,1000"),
    ] {
        let record = ask(rank).await.record.unwrap();
        assert_eq!(record.ranks.to_string(), shown);
        assert_eq!(record.version, won.version);
    }
    let renewed = bench.ask(renew(MINE, won.token, None)).await;
    let shown = renewed.record.unwrap().ranks.to_string();
    assert_eq!(shown, "1001,1000a!,1000B!,1000");
}

async fn the_last_ten_changes_are_told_with_their_reasons(bench: Bench) {
    let won = bench.win().await;
    bench.ask(acquire(MINE)).await;
    bench.ask(renew(MINE, won.token, None)).await;
    bench.ask(leaving(MINE, Some(Reason::Failed))).await;
    let next = bench.ask(acquire(OTHER)).await.record.unwrap();
    let silent = bench.ask(over(MINE, &next.version)).await.record.unwrap();
    let newer = Token::new(silent.token.get() + 1);
    bench.ask(renew(OTHER, newer, Some(&silent.version))).await;
    bench.ask(leaving(OTHER, None)).await;
    let mut expected = vec![
        "left-unclaimed server one",
        "restored server one",
        "elected-silent server one",
        "elected-free server one",
        "left-failed server one",
        "elected-missing server one",
    ];
    assert_eq!(bench.changes(), expected);
    for identity in [MINE, OTHER, MINE, OTHER] {
        bench.ask(acquire(identity)).await;
        bench.ask(leaving(identity, Some(Reason::Resigned))).await;
        expected.insert(0, "elected-free server one");
        expected.insert(0, "left-resigned server one");
    }
    assert_eq!(bench.changes(), expected[..10]);
}

every_store_passes! {
    who_is_refused_stands_in_the_roster_until_it_is_elected_or_leaves,
    the_highest_ranks_are_shown_and_the_version_stays,
    the_last_ten_changes_are_told_with_their_reasons,
    a_missing_record_is_seen_as_none_and_has_nothing_to_release,
    a_grant_shows_its_holder_and_is_what_others_see,
    an_acquire_whose_reply_was_lost_is_granted_again_with_its_token,
    a_command_that_is_repeated_is_told_with_another_nonce,
    a_held_record_is_refused_and_not_written,
    a_held_record_that_is_still_as_watched_is_taken_with_a_larger_token,
    a_renewal_ends_what_others_have_watched,
    a_stranger_can_neither_renew_nor_release,
    a_holder_of_a_newer_grant_writes_it_again_over_what_it_was_shown,
    a_released_record_is_anybodys_but_its_last_holders,
    what_is_sent_later_arrives_later,
    a_resource_refuses_what_is_below_the_highest_token_of_the_same_lease,
    ; where messages come:
    every_write_is_told_to_all_who_listen,
}
