//! One suite for the run leases of every store: what the simulation is played against has to
//! behave as what ships.

mod ask_run;
mod commands;
mod redis_server;
#[macro_use]
mod suite;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ask_run::AskRun;
use commands::run::{acquire, acquire_with, release, renew, request, tick, withdraw};
use commands::{MINE, OTHER, PATIENCE, TTL};
use primary_lease::election::run::{RunCommand, RunOutcome};
use primary_lease::election::{Identity, Token};
use primary_lease::store::{MemoryStore, RedisSource, RedisStore, RunStore};
use redis_server::RedisServer;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

/// A store of ours and one of another server, with the same leases.
struct Bench {
    ours: Arc<dyn RunStore>,
    theirs: Arc<dyn RunStore>,
    _server: Option<RedisServer>,
}

/// A clock that goes on by itself, a microsecond with each look.
fn now() -> u64 {
    static CLOCK: AtomicU64 = AtomicU64::new(1_795_000_000_000_000);
    CLOCK.fetch_add(1, Ordering::Relaxed)
}

impl Bench {
    fn in_memory(case: &str) -> Self {
        let store = MemoryStore::named(case, now);
        Bench {
            ours: store.clone(),
            theirs: store,
            _server: None,
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
            _server: Some(server),
        }
    }

    async fn ask(&self, command: RunCommand) -> RunOutcome {
        let answer = self.ours.ask_run("mail", &request(command));
        answer.await.unwrap()
    }

    async fn win(&self, identity: Identity) -> Token {
        granted(self.ask(acquire(identity)).await)
    }
}

fn granted(outcome: RunOutcome) -> Token {
    match outcome {
        RunOutcome::Granted { token, .. } => token,
        other => panic!("not granted: {other:?}"),
    }
}

fn held(outcome: RunOutcome) -> Duration {
    match outcome {
        RunOutcome::Held(remaining) => remaining,
        other => panic!("not held: {other:?}"),
    }
}

async fn next(releases: &mut UnboundedReceiver<Duration>) -> Duration {
    let waiting = timeout(PATIENCE, releases.recv());
    waiting
        .await
        .expect("no message came")
        .expect("the store ended")
}

async fn a_free_lease_is_granted_and_refused_to_others_for_its_ttl(bench: Bench) {
    assert!(bench.win(MINE).await > Token::NONE);
    let left = held(bench.ask(acquire(OTHER)).await);
    assert!(left > NONE && left <= TTL, "{left:?}");
}

async fn a_grant_whose_reply_was_lost_is_granted_again_with_its_token(bench: Bench) {
    let token = bench.win(MINE).await;
    assert_eq!(bench.win(MINE).await, token);
}

async fn a_renewal_extends_the_lease(bench: Bench) {
    let token = bench.win(MINE).await;
    assert_eq!(bench.ask(renew(MINE, token)).await, RunOutcome::Renewed);
    let left = held(bench.ask(acquire(OTHER)).await);
    assert!(left > TTL && left <= TTL * 2, "{left:?}");
}

async fn what_nobody_holds_is_neither_renewed_nor_released(bench: Bench) {
    let token = Token::new(7);
    assert_eq!(bench.ask(renew(MINE, token)).await, RunOutcome::Gone);
    let done = bench.ask(release(MINE, token, NONE)).await;
    assert_eq!(done, RunOutcome::NotMine);
}

async fn a_stranger_can_neither_renew_nor_release_nor_withdraw(bench: Bench) {
    let token = granted(bench.ask(acquire_with(MINE, TTL, tick(5))).await);
    let done = bench.ask(renew(OTHER, token)).await;
    assert_eq!(done, RunOutcome::Superseded);
    let done = bench.ask(release(OTHER, token, NONE)).await;
    assert_eq!(done, RunOutcome::NotMine);
    let done = bench.ask(withdraw(OTHER, tick(5))).await;
    assert_eq!(done, RunOutcome::NotMine);
    assert_eq!(bench.ask(renew(MINE, token)).await, RunOutcome::Renewed);
    let done = bench.ask(acquire_with(OTHER, TTL, tick(5))).await;
    assert_eq!(done, RunOutcome::Ran);
}

async fn a_released_lease_is_anybodys_but_its_last_holders(bench: Bench) {
    let token = bench.win(MINE).await;
    let done = bench.ask(release(MINE, token, NONE)).await;
    assert_eq!(done, RunOutcome::Released);
    assert_eq!(
        held(bench.ask(acquire(MINE)).await),
        NONE,
        "a late duplicate"
    );
    let done = bench.ask(renew(MINE, token)).await;
    assert_eq!(done, RunOutcome::Superseded, "late as well");
    assert!(bench.win(OTHER).await > token);
}

async fn a_min_hold_keeps_others_away_from_the_grant_on(bench: Bench) {
    let token = bench.win(MINE).await;
    let min_hold = Duration::from_secs(600);
    bench.ask(release(MINE, token, min_hold)).await;
    let left = held(bench.ask(acquire(OTHER)).await);
    assert!(left > TTL && left <= min_hold, "{left:?}");
}

async fn a_min_hold_that_is_over_keeps_nobody_away(bench: Bench) {
    let token = bench.win(MINE).await;
    let min_hold = Duration::from_micros(1);
    bench.ask(release(MINE, token, min_hold)).await;
    assert!(bench.win(OTHER).await > token);
}

async fn a_tick_is_granted_to_one_and_to_no_other_after_it(bench: Bench) {
    let mine = || acquire_with(MINE, TTL, tick(5));
    let token = granted(bench.ask(mine()).await);
    assert_eq!(
        granted(bench.ask(mine()).await),
        token,
        "its reply was lost"
    );
    bench.ask(release(MINE, token, NONE)).await;
    let again = bench.ask(acquire_with(OTHER, TTL, tick(5))).await;
    assert_eq!(again, RunOutcome::Ran);
    granted(bench.ask(acquire_with(OTHER, TTL, tick(6))).await);
}

async fn a_withdrawal_gives_back_the_lease_and_the_tick(bench: Bench) {
    let token = granted(bench.ask(acquire_with(MINE, TTL, tick(5))).await);
    let done = bench.ask(withdraw(MINE, tick(5))).await;
    assert_eq!(done, RunOutcome::Released);
    let late = bench.ask(acquire_with(MINE, TTL, tick(5))).await;
    assert_eq!(held(late), NONE, "a late duplicate");
    let next = granted(bench.ask(acquire_with(OTHER, TTL, tick(5))).await);
    assert!(next > token);
}

async fn a_tick_is_not_taken_where_the_lease_is_refused(bench: Bench) {
    let token = bench.win(MINE).await;
    held(bench.ask(acquire_with(OTHER, TTL, tick(5))).await);
    bench.ask(release(MINE, token, NONE)).await;
    let third = Identity::new(3);
    granted(bench.ask(acquire_with(third, TTL, tick(5))).await);
}

async fn the_leases_of_two_resources_know_nothing_of_each_other(bench: Bench) {
    let ask = |resource: &'static str| {
        let command = request(acquire_with(MINE, TTL, tick(5)));
        bench.ours.ask_run(resource, &command)
    };
    granted(ask("mail").await.unwrap());
    granted(ask("post").await.unwrap());
    let third = acquire_with(OTHER, TTL, tick(6));
    let third = bench.theirs.ask_run("report", &request(third));
    granted(third.await.unwrap());
}

async fn what_is_sent_later_arrives_later(bench: Bench) {
    let token = bench.win(MINE).await;
    let send = |command| bench.ours.ask_run("mail", &request(command));
    let (released, taken) = (send(release(MINE, token, NONE)), send(acquire(OTHER)));
    // Sent by the calls, whichever is asked for its answer first.
    granted(taken.await.unwrap());
    assert_eq!(released.await.unwrap(), RunOutcome::Released);
}

async fn every_release_is_told_to_all_who_wait(bench: Bench) {
    let mut ours = bench.ours.subscribe_releases("mail");
    let mut theirs = bench.theirs.subscribe_releases("mail");
    let mut others = bench.ours.subscribe_releases("post");
    // Until both have subscribed.
    let listening = async {
        while ours.is_empty() || theirs.is_empty() {
            // A token above the last one's grant, hence an identity each.
            let passing = Identity::new(u128::from(now()));
            if let RunOutcome::Granted { token, .. } = bench.ask(acquire(passing)).await {
                bench.ask(release(passing, token, NONE)).await;
            }
            bench
                .theirs
                .ask_run("post", &request(withdraw(MINE, None)))
                .await
                .unwrap();
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, listening).await.unwrap();
    let token = bench.win(MINE).await;
    let min_hold = Duration::from_secs(600);
    bench.ask(release(MINE, token, min_hold)).await;
    for releases in [&mut ours, &mut theirs] {
        let delay = loop {
            match next(releases).await {
                NONE => continue,
                delay => break delay,
            }
        };
        assert!(delay > TTL && delay <= min_hold, "{delay:?}");
        assert!(releases.is_empty());
    }
    assert!(others.try_recv().is_err(), "nobody released that");
}

const NONE: Duration = Duration::ZERO;

every_store_passes! {
    a_free_lease_is_granted_and_refused_to_others_for_its_ttl,
    a_grant_whose_reply_was_lost_is_granted_again_with_its_token,
    a_renewal_extends_the_lease,
    what_nobody_holds_is_neither_renewed_nor_released,
    a_stranger_can_neither_renew_nor_release_nor_withdraw,
    a_released_lease_is_anybodys_but_its_last_holders,
    a_min_hold_keeps_others_away_from_the_grant_on,
    a_min_hold_that_is_over_keeps_nobody_away,
    a_tick_is_granted_to_one_and_to_no_other_after_it,
    a_withdrawal_gives_back_the_lease_and_the_tick,
    a_tick_is_not_taken_where_the_lease_is_refused,
    the_leases_of_two_resources_know_nothing_of_each_other,
    what_is_sent_later_arrives_later,
    ; where messages come:
    every_release_is_told_to_all_who_wait,
}
