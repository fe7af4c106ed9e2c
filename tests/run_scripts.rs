//! The scripts of run leases on a real server: every branch, what is written, and what is not.

mod ask_run;
mod commands;
mod redis_server;

use std::sync::Arc;
use std::time::Duration;

use ask_run::AskRun;
use commands::run::{acquire, acquire_with, begin, release, renew, request, tick, withdraw};
use commands::{MINE, OTHER, PATIENCE, TTL};
use primary_lease::election::run::{RunCommand, RunOutcome, Tick};
use primary_lease::election::{Failure, Identity, Token};
use primary_lease::store::{RedisSource, RedisStore, RunStore};
use redis_server::RedisServer;
use tokio::runtime::Handle;
use tokio::time::timeout;

const KEY: &str = "lease:{mail}";
const TICK_KEY: &str = "lease:{mail}:tick:5";
const MAX: u64 = (1 << 53) - 1;
const NONE: Duration = Duration::ZERO;

struct Bench {
    server: RedisServer,
    store: RedisStore,
}

impl Bench {
    fn new() -> Self {
        let server = RedisServer::start();
        let source = RedisSource::parse_url(&server.url()).unwrap();
        let store = RedisStore::open(source, &Handle::current());
        Bench { server, store }
    }

    async fn try_ask(&self, command: RunCommand) -> Result<RunOutcome, Failure> {
        self.store.ask_run("mail", &request(command)).await
    }

    async fn ask(&self, command: RunCommand) -> RunOutcome {
        self.try_ask(command).await.unwrap()
    }

    async fn win(&self, identity: Identity) -> Token {
        granted(self.ask(acquire(identity)).await)
    }

    /// How long another's or its minHold still stands.
    async fn held(&self, command: RunCommand) -> Duration {
        match self.ask(command).await {
            RunOutcome::Held(remaining) => remaining,
            other => panic!("not held: {other:?}"),
        }
    }

    /// What the script says; the store adds its address.
    async fn denied(&self, command: RunCommand) -> Arc<str> {
        let cause = match self.try_ask(command).await {
            Err(Failure::Denied { cause }) => cause,
            other => panic!("not denied: {other:?}"),
        };
        let address = format!(" ({})", self.store.source().address());
        cause.strip_suffix(&address).expect(&cause).into()
    }

    fn run<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        redis::cmd(command[0])
            .arg(&command[1..])
            .query(&mut self.server.connect())
            .unwrap()
    }

    fn value(&self, key: &str) -> Option<String> {
        self.run(&["GET", key])
    }

    fn expires_in(&self, key: &str) -> Duration {
        let millis: i64 = self.run(&["PTTL", key]);
        Duration::from_millis(millis.try_into().expect("it expires"))
    }

    fn time_us(&self) -> u64 {
        let (seconds, micros): (u64, u64) = self.run(&["TIME"]);
        seconds * 1_000_000 + micros
    }

    /// As it is after a release, with what the clock cannot give at this time.
    fn set_released(&self, token: u64, free_at: u64) {
        let value = format!("{token} {OTHER} 60000 {free_at}");
        self.run::<()>(&["SET", KEY, &value, "PX", "60000"]);
    }
}

/// The value of a lease that is held for a run whose beginning nobody waits for.
fn held(token: Token, identity: Identity) -> String {
    format!("{token} {identity} {}", TTL.as_millis())
}

/// That of a tick.
fn taken(identity: Identity) -> String {
    format!("{identity} {}", tick(5).unwrap().memory.as_millis())
}

fn granted(outcome: RunOutcome) -> Token {
    match outcome {
        RunOutcome::Granted { token, .. } => token,
        other => panic!("not granted: {other:?}"),
    }
}

// Acquire

#[tokio::test]
async fn a_free_lease_is_granted_with_a_token_from_the_servers_clock_and_expires() {
    let bench = Bench::new();
    let before = bench.time_us();
    let token = bench.win(MINE).await;
    assert!((before..=bench.time_us()).contains(&token.get()));
    assert_eq!(bench.value(KEY), Some(held(token, MINE)));
    let left = bench.expires_in(KEY);
    assert!(left > NONE && left <= TTL, "{left:?}");
}

#[tokio::test]
async fn a_grant_whose_reply_was_lost_is_granted_again_with_its_token_for_a_whole_ttl() {
    let bench = Bench::new();
    let token = bench.win(MINE).await;
    bench.run::<()>(&["PEXPIRE", KEY, "1000"]);
    assert_eq!(bench.win(MINE).await, token);
    assert!(bench.expires_in(KEY) > Duration::from_secs(1));
    assert_eq!(bench.value(KEY), Some(held(token, MINE)));
}

#[tokio::test]
async fn a_lease_of_another_is_refused_with_what_it_has_left_and_not_written() {
    let bench = Bench::new();
    let token = bench.win(MINE).await;
    bench.run::<()>(&["PEXPIRE", KEY, "4000"]);
    let left = bench.held(acquire_with(OTHER, TTL, tick(5))).await;
    assert!(left > NONE && left <= Duration::from_secs(4), "{left:?}");
    assert_eq!(bench.value(KEY), Some(held(token, MINE)));
    assert_eq!(bench.value(TICK_KEY), None, "nor is the tick taken");
}

#[tokio::test]
async fn a_lease_that_has_run_out_is_granted_with_a_larger_token() {
    let bench = Bench::new();
    let short = acquire_with(MINE, Duration::from_millis(100), None);
    let first = granted(bench.ask(short).await);
    let again = async {
        loop {
            match bench.ask(acquire(OTHER)).await {
                RunOutcome::Held(left) => tokio::time::sleep(left).await,
                outcome => return granted(outcome),
            }
        }
    };
    let next = timeout(PATIENCE, again).await.unwrap();
    assert!(next.get() >= first.get() + 99_000, "{first} {next}");
}

#[tokio::test]
async fn a_released_lease_is_granted_at_once_with_a_larger_token() {
    let bench = Bench::new();
    let first = bench.win(MINE).await;
    bench.ask(release(MINE, first, NONE)).await;
    assert!(bench.win(OTHER).await > first);
}

#[tokio::test]
async fn a_late_duplicate_of_the_acquire_of_a_run_that_is_over_is_not_granted() {
    let bench = Bench::new();
    let token = bench.win(MINE).await;
    bench.ask(release(MINE, token, NONE)).await;
    let left_behind = bench.value(KEY);
    assert_eq!(bench.held(acquire(MINE)).await, NONE);
    assert_eq!(bench.value(KEY), left_behind);
}

#[tokio::test]
async fn a_lease_whose_min_hold_stands_is_refused_with_what_that_has_left() {
    let bench = Bench::new();
    let token = bench.win(MINE).await;
    let min_hold = Duration::from_secs(600);
    bench.ask(release(MINE, token, min_hold)).await;
    let left = bench.held(acquire_with(OTHER, TTL, tick(5))).await;
    assert!(left > TTL && left <= min_hold, "{left:?}");
    assert_eq!(bench.value(TICK_KEY), None);
}

#[tokio::test]
async fn a_lease_whose_min_hold_is_over_is_granted() {
    let bench = Bench::new();
    let now = bench.time_us();
    bench.set_released(now - 5, now);
    assert!(bench.win(MINE).await.get() >= now);
}

#[tokio::test]
async fn a_token_is_above_the_last_one_though_the_clock_was_set_back() {
    let bench = Bench::new();
    let ahead = bench.time_us() + 3_600_000_000;
    bench.set_released(ahead, 0);
    assert_eq!(bench.win(MINE).await, Token::new(ahead + 1));
}

#[tokio::test]
async fn the_largest_token_is_granted_exactly_and_none_beyond_it() {
    let bench = Bench::new();
    bench.set_released(MAX - 1, 0);
    assert_eq!(bench.win(MINE).await, Token::new(MAX));
    assert_eq!(bench.value(KEY), Some(held(Token::new(MAX), MINE)));
    for beyond in [MAX, MAX + 1, u64::MAX] {
        bench.set_released(beyond, 0);
        let before = bench.value(KEY);
        let cause = bench.denied(acquire_with(MINE, TTL, tick(5))).await;
        let why = match beyond {
            MAX => "and none above it is below 2^53",
            _ => "which is above 2^53 - 1",
        };
        assert_eq!(
            &*cause,
            format!("lease:{{mail}} holds the token {beyond}, {why}")
        );
        assert_eq!((bench.value(KEY), bench.value(TICK_KEY)), (before, None));
    }
}

#[tokio::test]
async fn a_token_beyond_the_limit_is_denied_by_name_to_everybody_who_asks() {
    let bench = Bench::new();
    for value in [
        format!("{} {OTHER} 5000", MAX + 1),
        format!("{} {MINE} 5000", u64::MAX),
        format!("99999999999999999999999 {OTHER} 5000 pending"),
    ] {
        bench.run::<()>(&["SET", KEY, &value, "PX", "60000"]);
        let cause = bench.denied(acquire_with(MINE, TTL, tick(5))).await;
        let token = value.split(' ').next().unwrap();
        assert_eq!(
            &*cause,
            format!("lease:{{mail}} holds the token {token}, which is above 2^53 - 1")
        );
        assert_eq!(bench.value(KEY), Some(value));
    }
}

// A clock that was set back: what is stored lies further ahead than it was written for.

#[tokio::test]
async fn a_lease_that_lies_too_far_ahead_is_cut_to_the_ttl_of_its_holder() {
    let bench = Bench::new();
    let long = Duration::from_secs(20);
    for asked in [None, tick(5)] {
        bench.run::<()>(&["DEL", KEY]);
        granted(bench.ask(acquire_with(OTHER, long, None)).await);
        bench.run::<()>(&["PEXPIRE", KEY, "620000"]);
        let left = bench.held(acquire_with(MINE, TTL, asked)).await;
        assert!(
            left > TTL && left <= long,
            "neither free nor by the asker's: {left:?}"
        );
        assert!(bench.expires_in(KEY) <= long);
    }
}

fn is_pending(outcome: RunOutcome) -> bool {
    matches!(outcome, RunOutcome::Pending(_))
}

#[tokio::test]
async fn a_pending_lease_that_lies_too_far_ahead_is_cut_too() {
    let bench = Bench::new();
    granted(bench.ask(acquire_with(OTHER, TTL, tick(5))).await);
    for asked in [tick(5), tick(6)] {
        bench.run::<()>(&["PEXPIRE", KEY, "605000"]);
        let answer = bench.ask(acquire_with(MINE, TTL, asked)).await;
        assert!(is_pending(answer), "{answer:?}");
        assert!(bench.expires_in(KEY) <= TTL);
    }
}

#[tokio::test]
async fn a_min_hold_that_lies_too_far_ahead_is_cut_to_what_was_left_of_it() {
    let bench = Bench::new();
    let free_at = bench.time_us() + 600_000_000;
    let value = format!("7 {OTHER} 2000 {free_at}");
    bench.run::<()>(&["SET", KEY, &value, "PX", "600000"]);
    let left = bench.held(acquire(MINE)).await;
    assert_eq!(left, Duration::from_secs(2));
    assert!(bench.expires_in(KEY) <= Duration::from_secs(2));
    let again = bench.held(acquire(MINE)).await;
    assert!(
        again <= Duration::from_secs(2),
        "counted from now: {again:?}"
    );
}

#[tokio::test]
async fn the_memory_of_a_tick_that_lies_too_far_ahead_is_cut_to_what_it_was() {
    let bench = Bench::new();
    let period = Duration::from_secs(60);
    let present = Some(Tick::every(period));
    let token = granted(bench.ask(acquire_with(OTHER, TTL, present)).await);
    bench.ask(release(OTHER, token, NONE)).await;
    bench.run::<()>(&["PEXPIRE", "lease:{mail}:tick", "630000"]);
    let answer = bench.ask(acquire_with(MINE, TTL, present)).await;
    assert_eq!(answer, RunOutcome::Ran);
    assert!(bench.expires_in("lease:{mail}:tick") <= period / 2);
}

#[tokio::test]
async fn what_another_program_wrote_is_denied_and_left_alone() {
    let bench = Bench::new();
    for foreign in [
        "",
        "locked",
        "12",
        "12 xyz",
        "12 ab cd",
        "-1 ab 5",
        " 1 ab 5",
        "1.5 ab 5",
        "12 ab",
        "12 ab 5 begun",
        "12 ab 5 1 1",
    ] {
        bench.run::<()>(&["SET", KEY, foreign]);
        let cause = bench.denied(acquire_with(MINE, TTL, tick(5))).await;
        assert_eq!(
            &*cause, "lease:{mail} is not a lease of this package",
            "{foreign}"
        );
        assert_eq!(bench.value(KEY).as_deref(), Some(foreign));
        assert_eq!(bench.value(TICK_KEY), None);
    }
}

#[tokio::test]
async fn a_lease_that_never_expires_is_denied_rather_than_waited_for() {
    let bench = Bench::new();
    bench.win(OTHER).await;
    bench.run::<()>(&["PERSIST", KEY]);
    let cause = bench.denied(acquire(MINE)).await;
    assert!(cause.starts_with("lease:{mail} never expires"), "{cause}");
}

#[tokio::test]
async fn a_tick_that_is_none_or_never_expires_is_denied_by_name() {
    let bench = Bench::new();
    let asked = || acquire_with(MINE, TTL, tick(5));
    bench.run::<()>(&["SET", TICK_KEY, &taken(OTHER)]);
    let cause = bench.denied(asked()).await;
    assert!(
        cause.starts_with("lease:{mail}:tick:5 never expires"),
        "{cause}"
    );
    bench.run::<()>(&["SET", TICK_KEY, "done"]);
    let cause = bench.denied(asked()).await;
    assert_eq!(&*cause, "lease:{mail}:tick:5 is not a tick of this package");
    assert_eq!(bench.value(KEY), None);
}

#[tokio::test]
async fn a_key_of_another_type_is_denied_by_every_script() {
    let bench = Bench::new();
    bench.run::<()>(&["HSET", KEY, "field", "value"]);
    for command in [
        acquire(MINE),
        begin(MINE, Token::new(7)),
        renew(MINE, Token::new(7)),
        release(MINE, Token::new(7), NONE),
        withdraw(MINE, None),
    ] {
        let cause = bench.denied(command).await;
        assert!(cause.contains("WRONGTYPE"), "{cause}");
    }
    bench.run::<()>(&["DEL", KEY]);
    bench.run::<()>(&["HSET", TICK_KEY, "field", "value"]);
    for command in [acquire_with(MINE, TTL, tick(5)), withdraw(MINE, tick(5))] {
        let cause = bench.denied(command).await;
        assert!(cause.contains("WRONGTYPE"), "{cause}");
    }
    assert_eq!(bench.value(KEY), None);
}

// Ticks

#[tokio::test]
async fn whoever_waited_for_a_present_tick_is_not_granted_the_next_one_for_it() {
    let bench = Bench::new();
    let present = Some(Tick::every(Duration::from_millis(400)));
    let token = granted(bench.ask(acquire_with(MINE, TTL, present)).await);
    let RunOutcome::Pending(latest) = bench.ask(acquire_with(OTHER, TTL, present)).await else {
        panic!("not pending");
    };
    assert!(latest.is_some_and(|latest| latest <= token.get() + 200_000));
    let waited = present.map(|tick| Tick { latest, ..tick });
    while bench.value(&format!("{KEY}:tick")).is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let again = || acquire_with(OTHER, TTL, waited);
    assert_eq!(bench.ask(again()).await, RunOutcome::Ran, "under its lease");
    bench.ask(release(MINE, token, Duration::ZERO)).await;
    assert_eq!(bench.ask(again()).await, RunOutcome::Ran, "after it");
    let late = acquire_with(MINE, TTL, waited);
    assert!(
        matches!(bench.ask(late).await, RunOutcome::Held(_)),
        "its own"
    );
    granted(bench.ask(acquire_with(OTHER, TTL, present)).await);
}

#[tokio::test]
async fn a_tick_is_taken_with_the_lease_and_remembered() {
    let bench = Bench::new();
    let token = granted(bench.ask(acquire_with(MINE, TTL, tick(5))).await);
    assert_eq!(bench.value(TICK_KEY), Some(taken(MINE)));
    let left = bench.expires_in(TICK_KEY);
    let memory = tick(5).unwrap().memory;
    assert!(left > memory / 2 && left <= memory, "{left:?}");
    let other = || acquire_with(OTHER, TTL, tick(5));
    assert!(is_pending(bench.ask(other()).await), "before it has begun");
    assert_eq!(bench.ask(begin(MINE, token)).await, RunOutcome::Begun);
    assert_eq!(bench.ask(other()).await, RunOutcome::Ran, "while it runs");
    bench.ask(release(MINE, token, NONE)).await;
    assert_eq!(bench.ask(other()).await, RunOutcome::Ran, "after it");
    bench.run::<()>(&["DEL", KEY]);
    assert_eq!(
        bench.ask(other()).await,
        RunOutcome::Ran,
        "whatever is left"
    );
    assert_eq!(bench.value(KEY), None);
    granted(bench.ask(acquire_with(OTHER, TTL, tick(6))).await);
}

#[tokio::test]
async fn a_tick_is_granted_again_to_its_taker_whose_reply_was_lost() {
    let bench = Bench::new();
    let mine = || acquire_with(MINE, TTL, tick(5));
    let token = granted(bench.ask(mine()).await);
    assert_eq!(granted(bench.ask(mine()).await), token);
    bench.run::<()>(&["DEL", KEY]);
    assert!(granted(bench.ask(mine()).await) > token, "it had run out");
}

#[tokio::test]
async fn negative_ticks_have_keys_of_their_own() {
    let bench = Bench::new();
    granted(bench.ask(acquire_with(MINE, TTL, tick(-5))).await);
    assert_eq!(bench.value("lease:{mail}:tick:-5"), Some(taken(MINE)));
    assert_eq!(bench.value(TICK_KEY), None);
}

#[tokio::test]
async fn the_present_tick_is_refused_for_half_of_its_period_from_the_grant() {
    let bench = Bench::new();
    let present = Some(Tick::every(Duration::from_secs(600)));
    let token = granted(bench.ask(acquire_with(MINE, TTL, present)).await);
    let left = bench.expires_in("lease:{mail}:tick");
    assert!(left > TTL && left <= Duration::from_secs(300), "{left:?}");
    bench.ask(release(MINE, token, NONE)).await;
    let answer = bench.ask(acquire_with(OTHER, TTL, present)).await;
    assert_eq!(answer, RunOutcome::Ran);
    // It has passed.
    bench.run::<()>(&["DEL", "lease:{mail}:tick"]);
    granted(bench.ask(acquire_with(OTHER, TTL, present)).await);
}

// Begin

#[tokio::test]
async fn others_who_ask_for_a_tick_are_told_that_its_run_has_not_begun() {
    let bench = Bench::new();
    let token = granted(bench.ask(acquire_with(MINE, TTL, tick(5))).await);
    assert_eq!(bench.value(KEY), Some(held(token, MINE) + " pending"));
    for asked in [tick(5), tick(6)] {
        let answer = bench.ask(acquire_with(OTHER, TTL, asked)).await;
        assert!(is_pending(answer), "{answer:?}");
    }
    assert!(
        bench.held(acquire(OTHER)).await > NONE,
        "for no tick it is held"
    );
    assert_eq!(
        granted(bench.ask(acquire_with(MINE, TTL, tick(5))).await),
        token
    );
    assert_eq!(bench.value(KEY), Some(held(token, MINE) + " pending"));
}

#[tokio::test]
async fn a_beginning_is_remembered_and_the_lease_expires_as_before() {
    let bench = Bench::new();
    let token = granted(bench.ask(acquire_with(MINE, TTL, tick(5))).await);
    bench.run::<()>(&["PEXPIRE", KEY, "4000"]);
    assert_eq!(bench.ask(begin(MINE, token)).await, RunOutcome::Begun);
    assert_eq!(bench.value(KEY), Some(held(token, MINE)));
    assert!(bench.expires_in(KEY) <= Duration::from_secs(4));
    assert_eq!(bench.ask(begin(MINE, token)).await, RunOutcome::NotMine);
    assert!(bench.held(acquire_with(OTHER, TTL, tick(6))).await > NONE);
}

#[tokio::test]
async fn a_beginning_of_what_is_not_held_changes_nothing() {
    let bench = Bench::new();
    let token = granted(bench.ask(acquire_with(MINE, TTL, tick(5))).await);
    let newer = Token::new(token.get() + 1);
    for late in [begin(OTHER, token), begin(MINE, newer)] {
        assert_eq!(bench.ask(late).await, RunOutcome::NotMine);
        assert_eq!(bench.value(KEY), Some(held(token, MINE) + " pending"));
    }
    bench
        .ask(release(MINE, token, Duration::from_secs(600)))
        .await;
    let left_behind = bench.value(KEY);
    assert_eq!(bench.ask(begin(MINE, token)).await, RunOutcome::NotMine);
    assert_eq!(bench.value(KEY), left_behind);
    bench.run::<()>(&["DEL", KEY]);
    assert_eq!(bench.ask(begin(MINE, token)).await, RunOutcome::NotMine);
    assert_eq!(bench.value(KEY), None);
}

#[tokio::test]
async fn a_renewal_and_a_release_tell_that_it_has_begun() {
    let bench = Bench::new();
    let token = granted(bench.ask(acquire_with(MINE, TTL, tick(5))).await);
    let other = || acquire_with(OTHER, TTL, tick(5));
    assert!(is_pending(bench.ask(other()).await));
    assert_eq!(bench.ask(renew(MINE, token)).await, RunOutcome::Renewed);
    assert_eq!(bench.ask(other()).await, RunOutcome::Ran);
    bench.ask(release(MINE, token, NONE)).await;
    let token = granted(bench.ask(acquire_with(OTHER, TTL, tick(6))).await);
    bench.ask(release(OTHER, token, NONE)).await;
    let late = acquire_with(MINE, TTL, tick(6));
    assert_eq!(bench.ask(late).await, RunOutcome::Ran);
}

// Renew

#[tokio::test]
async fn a_renewal_extends_the_lease() {
    let bench = Bench::new();
    let token = bench.win(MINE).await;
    assert_eq!(bench.ask(renew(MINE, token)).await, RunOutcome::Renewed);
    let left = bench.expires_in(KEY);
    assert!(left > TTL && left <= TTL * 2, "{left:?}");
    let value = format!("{token} {MINE} {}", (TTL * 2).as_millis());
    assert_eq!(bench.value(KEY), Some(value), "and says for how long");
    assert_eq!(bench.ask(renew(MINE, token)).await, RunOutcome::Renewed);
    bench.run::<()>(&["PEXPIRE", KEY, "1000"]);
    assert_eq!(bench.ask(renew(MINE, token)).await, RunOutcome::Renewed);
    assert!(bench.expires_in(KEY) > TTL);
}

#[tokio::test]
async fn a_renewal_of_what_is_not_held_changes_nothing() {
    let bench = Bench::new();
    let token = bench.win(MINE).await;
    let newer = Token::new(token.get() + 1);
    for late in [renew(OTHER, token), renew(MINE, newer)] {
        assert_eq!(bench.ask(late).await, RunOutcome::Superseded);
        assert!(bench.expires_in(KEY) <= TTL);
    }
    bench.ask(release(MINE, token, NONE)).await;
    let left_behind = bench.value(KEY);
    assert_eq!(bench.ask(renew(MINE, token)).await, RunOutcome::Superseded);
    assert_eq!(bench.value(KEY), left_behind);
    bench.run::<()>(&["DEL", KEY]);
    assert_eq!(bench.ask(renew(MINE, token)).await, RunOutcome::Gone);
    assert_eq!(bench.value(KEY), None);
}

// Release

#[tokio::test]
async fn a_release_leaves_the_token_behind_for_a_second() {
    let bench = Bench::new();
    let token = bench.win(MINE).await;
    let done = bench.ask(release(MINE, token, NONE)).await;
    assert_eq!(done, RunOutcome::Released);
    // It may have expired by now on a machine that stood still.
    let left_behind = bench.value(KEY).unwrap_or(format!("{token} {MINE} 0 0"));
    assert_eq!(left_behind, format!("{token} {MINE} 0 0"));
    let left: i64 = bench.run(&["PTTL", KEY]);
    assert!(left <= 1000 && left != -1, "{left}");
}

#[tokio::test]
async fn a_release_keeps_the_lease_for_its_min_hold_from_the_grant() {
    let bench = Bench::new();
    let token = bench.win(MINE).await;
    let min_hold = Duration::from_secs(600);
    bench.ask(release(MINE, token, min_hold)).await;
    let free_at = token.get() + 600_000_000;
    let value = bench.value(KEY).unwrap();
    let kept: u64 = {
        let (kept, free) = value
            .strip_prefix(&format!("{token} {MINE} "))
            .unwrap()
            .split_once(' ')
            .unwrap();
        assert_eq!(free, free_at.to_string());
        kept.parse().unwrap()
    };
    assert!(kept > 5_000 && kept <= 600_000, "{value}");
    let left = bench.expires_in(KEY);
    assert!(left > TTL && left <= min_hold, "{left:?}");
}

#[tokio::test]
async fn a_min_hold_is_never_longer_than_itself_though_the_clock_was_set_back() {
    let bench = Bench::new();
    let ahead = bench.time_us() + 3_600_000_000;
    bench.set_released(ahead, 0);
    let token = bench.win(MINE).await;
    bench
        .ask(release(MINE, token, Duration::from_secs(60)))
        .await;
    let left = bench.held(acquire(OTHER)).await;
    assert!(left > TTL && left <= Duration::from_secs(60), "{left:?}");
}

#[tokio::test]
async fn a_min_hold_that_is_over_frees_the_lease_at_once() {
    let bench = Bench::new();
    let past = bench.time_us() - 60_000_000;
    let held = held(Token::new(past), MINE);
    bench.run::<()>(&["SET", KEY, &held, "PX", "60000"]);
    bench
        .ask(release(MINE, Token::new(past), Duration::from_secs(59)))
        .await;
    assert!(bench.win(OTHER).await.get() > past);
}

#[tokio::test]
async fn a_release_of_what_is_not_held_changes_nothing() {
    let bench = Bench::new();
    let token = bench.win(MINE).await;
    let newer = Token::new(token.get() + 1);
    for late in [release(OTHER, token, NONE), release(MINE, newer, NONE)] {
        assert_eq!(bench.ask(late).await, RunOutcome::NotMine);
        assert_eq!(bench.value(KEY), Some(held(token, MINE)));
    }
    let min_hold = Duration::from_secs(600);
    bench.ask(release(MINE, token, min_hold)).await;
    let left_behind = bench.value(KEY);
    let again = bench.ask(release(MINE, token, NONE)).await;
    assert_eq!(again, RunOutcome::NotMine, "a late duplicate");
    assert_eq!(bench.value(KEY), left_behind);
    bench.run::<()>(&["DEL", KEY]);
    let gone = bench.ask(release(MINE, token, NONE)).await;
    assert_eq!((gone, bench.value(KEY)), (RunOutcome::NotMine, None));
}

// Withdraw

#[tokio::test]
async fn a_withdrawal_frees_the_lease_and_the_tick() {
    let bench = Bench::new();
    let token = granted(bench.ask(acquire_with(MINE, TTL, tick(5))).await);
    let done = bench.ask(withdraw(MINE, tick(5))).await;
    assert_eq!(done, RunOutcome::Released);
    assert_eq!(bench.value(TICK_KEY), None);
    let next = granted(bench.ask(acquire_with(OTHER, TTL, tick(5))).await);
    assert!(next > token);
}

#[tokio::test]
async fn a_withdrawal_touches_nothing_of_anothers() {
    let bench = Bench::new();
    let token = granted(bench.ask(acquire_with(OTHER, TTL, tick(5))).await);
    let done = bench.ask(withdraw(MINE, tick(5))).await;
    assert_eq!(done, RunOutcome::NotMine);
    let value = held(token, OTHER) + " pending";
    assert_eq!(bench.value(KEY), Some(value));
    assert_eq!(bench.value(TICK_KEY), Some(taken(OTHER)));
    bench
        .ask(release(OTHER, token, Duration::from_secs(600)))
        .await;
    let left_behind = bench.value(KEY);
    bench.ask(withdraw(MINE, tick(5))).await;
    assert_eq!(bench.value(KEY), left_behind);
}

#[tokio::test]
async fn a_tick_is_given_back_though_its_lease_has_run_out() {
    let bench = Bench::new();
    bench.ask(acquire_with(MINE, TTL, tick(5))).await;
    bench.run::<()>(&["DEL", KEY]);
    let token = bench.win(OTHER).await;
    let done = bench.ask(withdraw(MINE, tick(5))).await;
    assert_eq!(done, RunOutcome::NotMine);
    assert_eq!(bench.value(TICK_KEY), None);
    assert_eq!(bench.value(KEY), Some(held(token, OTHER)));
}

#[tokio::test]
async fn a_withdrawal_that_overtakes_its_acquire_stops_it_and_nobody_else() {
    let bench = Bench::new();
    // A second may pass between two commands on a machine that stands still: then once more.
    let stopped = async {
        loop {
            let done = bench.ask(withdraw(MINE, tick(5))).await;
            assert_eq!(done, RunOutcome::NotMine);
            let late = bench.ask(acquire_with(MINE, TTL, tick(5))).await;
            if late == RunOutcome::Held(NONE) {
                return;
            }
            bench.run::<()>(&["DEL", KEY, TICK_KEY]);
        }
    };
    timeout(PATIENCE, stopped).await.unwrap();
    assert_eq!(bench.value(TICK_KEY), None);
    let before = bench.time_us();
    let token = granted(bench.ask(acquire_with(OTHER, TTL, tick(5))).await);
    assert!(token.get() >= before);
}

// Messages

#[tokio::test]
async fn a_release_is_told_with_what_its_min_hold_has_left() {
    let bench = Bench::new();
    let mut released = bench.store.subscribe_releases("mail");
    let listening = async {
        loop {
            let (_, count): (String, u64) =
                bench.run(&["PUBSUB", "NUMSUB", "lease:{mail}:released:0"]);
            if count > 0 {
                return;
            }
            // The subscription travels with the store's first command.
            bench.ask(withdraw(Identity::new(9), None)).await;
        }
    };
    timeout(PATIENCE, listening).await.unwrap();
    let token = bench.win(MINE).await;
    bench.ask(renew(MINE, token)).await;
    bench.ask(release(MINE, token, NONE)).await;
    bench.ask(release(MINE, token, NONE)).await;
    bench.win(OTHER).await;
    bench.ask(withdraw(OTHER, None)).await;
    let token = bench.win(MINE).await;
    let min_hold = Duration::from_secs(600);
    bench.ask(release(MINE, token, min_hold)).await;
    let past = bench.time_us() - 60_000_000;
    let value = held(Token::new(past), MINE);
    bench.run::<()>(&["SET", KEY, &value, "PX", "60000"]);
    let min_hold_of_old = Duration::from_secs(1);
    bench
        .ask(release(MINE, Token::new(past), min_hold_of_old))
        .await;
    let mut delays = Vec::new();
    for _ in 0..4 {
        delays.push(timeout(PATIENCE, released.recv()).await.unwrap().unwrap());
    }
    assert_eq!(delays[..2], [NONE; 2], "one for each that freed it");
    assert!(delays[2] > TTL && delays[2] <= min_hold, "{delays:?}");
    assert_eq!(delays[3], NONE, "its minHold is long over");
}

// Permissions

fn user(server: &RedisServer, rules: &str) -> RedisStore {
    redis::cmd("ACL")
        .arg("SETUSER")
        .arg("bob")
        .arg(&["reset", "on", ">secret"])
        .arg(rules.split_whitespace().collect::<Vec<_>>())
        .exec(&mut server.connect())
        .unwrap();
    let source = RedisSource {
        username: Some("bob".into()),
        password: Some("secret".into()),
        ..RedisSource::parse_url(&server.url()).unwrap()
    };
    RedisStore::open(source, &Handle::current())
}

const LEAST: &str = "~lease:* resetchannels &lease:* -@all +eval +evalsha +get +set +del +pexpire \
     +pttl +time +publish +subscribe +unsubscribe +role +info +client|setname +select";

/// One run with a tick, and one that is withdrawn.
async fn lead_through(store: &RedisStore) -> Result<(), Failure> {
    let ask = |command| async move { store.ask_run("mail", &request(command)).await };
    let token = granted(ask(acquire_with(MINE, TTL, tick(5))).await?);
    assert!(matches!(ask(acquire(OTHER)).await?, RunOutcome::Held(_)));
    assert_eq!(granted(ask(acquire(MINE)).await?), token);
    assert_eq!(ask(begin(MINE, token)).await?, RunOutcome::Begun);
    assert_eq!(ask(renew(MINE, token)).await?, RunOutcome::Renewed);
    assert_eq!(ask(renew(MINE, token)).await?, RunOutcome::Renewed);
    let done = ask(release(MINE, token, Duration::from_millis(1))).await?;
    assert_eq!(done, RunOutcome::Released);
    let again = async {
        loop {
            match ask(acquire_with(OTHER, TTL, tick(6))).await {
                Ok(RunOutcome::Held(_)) => tokio::task::yield_now().await,
                answer => return answer,
            }
        }
    };
    granted(timeout(PATIENCE, again).await.unwrap()?);
    let done = ask(withdraw(OTHER, tick(6))).await?;
    assert_eq!(done, RunOutcome::Released);
    Ok(())
}

#[tokio::test]
async fn the_least_privileges_are_enough_and_each_that_is_missing_is_denied_by_name() {
    let server = RedisServer::start();
    lead_through(&user(&server, LEAST)).await.unwrap();
    for needed in ["get", "set", "del", "pexpire", "pttl", "time"] {
        redis::cmd("FLUSHALL").exec(&mut server.connect()).unwrap();
        let store = user(&server, &format!("{LEAST} -{needed}"));
        let Err(Failure::Denied { cause }) = lead_through(&store).await else {
            panic!("not denied without {needed}");
        };
        assert!(!cause.contains("secret"), "{cause}");
    }
    redis::cmd("FLUSHALL").exec(&mut server.connect()).unwrap();
    let elsewhere = LEAST.replace("~lease:*", "~other:*");
    let Err(Failure::Denied { .. }) = lead_through(&user(&server, &elsewhere)).await else {
        panic!("not denied");
    };
    let keys: u64 = redis::cmd("DBSIZE").query(&mut server.connect()).unwrap();
    assert_eq!(keys, 0);
}

#[tokio::test]
async fn a_refused_publish_changes_no_reply() {
    let server = RedisServer::start();
    for rules in ["~* &* +@all -publish", "~* resetchannels +@all"] {
        redis::cmd("FLUSHALL").exec(&mut server.connect()).unwrap();
        lead_through(&user(&server, rules)).await.unwrap();
    }
}

#[tokio::test]
async fn a_full_server_refuses_and_nothing_is_written() {
    let bench = Bench::new();
    bench.win(OTHER).await;
    bench.run::<()>(&["DEL", KEY]);
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let answer = bench.try_ask(acquire_with(MINE, TTL, tick(5))).await;
    let Err(Failure::Refused { cause }) = answer else {
        panic!("{answer:?}");
    };
    assert!(cause.contains("OOM"), "{cause}");
    assert_eq!((bench.value(KEY), bench.value(TICK_KEY)), (None, None));
}

#[tokio::test]
async fn keys_stand_behind_the_callers_prefix_and_in_one_slot() {
    let server = RedisServer::start();
    let source = RedisSource {
        key_prefix: "app:".into(),
        ..RedisSource::parse_url(&server.url()).unwrap()
    };
    let store = RedisStore::open(source, &Handle::current());
    let command = request(acquire_with(MINE, TTL, tick(5)));
    granted(store.ask_run("mail", &command).await.unwrap());
    let mut keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query(&mut server.connect())
        .unwrap();
    keys.sort();
    assert_eq!(keys, ["app:lease:{mail}", "app:lease:{mail}:tick:5"]);
}
