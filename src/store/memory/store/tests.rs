use std::cell::Cell;
use std::sync::Arc;

use super::*;
use crate::election::run::Tick;
use crate::election::{Identity, Nonce, Outcome};
use crate::store::memory::stores;

const TTL: Duration = Duration::from_secs(5);
const NAMES: u64 = 10_000;
/// What may be left until the next look.
const FEW: usize = 200;

thread_local! {
    /// A clock of each test's own, which stands until it is set.
    static NOW: Cell<u64> = const { Cell::new(1_795_000_000_000_000) };
}

fn clock() -> u64 {
    NOW.get()
}

fn pass(time: Duration) {
    NOW.set(NOW.get() + time.as_micros() as u64);
}

fn store() -> MemoryStore {
    MemoryStore::new("names", clock)
}

fn identity(number: u64) -> Identity {
    Identity::new(number.into())
}

fn target(number: u64) -> Target {
    Target {
        name: format!("election {number}").into(),
        server: "server".into(),
        entry: "1 0 - server".into(),
    }
}

impl MemoryStore {
    fn acquire(&self, number: u64, identity: Identity) -> Reply {
        let command = Command::Acquire {
            identity,
            ttl: TTL,
            floor: Token::NONE,
            watched: None,
            eager: None,
            rank: None,
            nonce: Nonce::new(1),
        };
        self.apply(&target(number), &command).unwrap()
    }

    fn release(&self, number: u64, identity: Identity) {
        let command = Command::Release {
            identity,
            listeners: 0,
            reason: None,
            nonce: Nonce::new(2),
        };
        let reply = self.apply(&target(number), &command).unwrap();
        assert_eq!(reply.outcome, Outcome::Released);
    }

    /// As a whole campaign does it.
    fn campaign(&self, number: u64) -> Token {
        let messages = self.subscribe(&target(number));
        let me = identity(number);
        let reply = self.acquire(number, me);
        assert_eq!(reply.outcome, Outcome::Granted);
        self.release(number, me);
        drop(messages);
        reply.record.unwrap().token
    }

    fn run(&self, number: u64, tick: Option<Tick>) -> RunOutcome {
        let (resource, identity) = (format!("resource {number}"), identity(number));
        let granted = self.apply_run(
            &resource,
            &RunCommand::Acquire {
                identity,
                ttl: TTL,
                tick,
            },
        );
        if let RunOutcome::Granted { token, .. } = granted {
            let min_hold = Duration::ZERO;
            let release = RunCommand::Release {
                identity,
                token,
                min_hold,
            };
            self.apply_run(&resource, &release);
        }
        granted
    }

    fn fence(&self, resource: u64, lease: &str, token: u64) -> FenceOutcome {
        self.see(&FenceRequest {
            resource: format!("fenced {resource}").into(),
            lease: lease.into(),
            token: Token::new(token),
            command: None,
            bound: TTL,
        })
    }

    fn kept(&self) -> usize {
        self.names().len()
    }
}

#[test]
fn elections_that_have_ended_are_forgotten() {
    let store = store();
    for number in 0..NAMES {
        store.campaign(number);
        assert!(store.kept() <= FEW, "{}", store.kept());
    }
}

#[test]
fn elections_that_went_on_at_once_are_forgotten_when_they_have_ended() {
    let store = store();
    let me = identity(1);
    let messages: Vec<_> = (0..NAMES).map(|n| store.subscribe(&target(n))).collect();
    for number in 0..NAMES {
        store.acquire(number, me);
    }
    assert_eq!(store.kept(), NAMES as usize);
    for number in 0..NAMES {
        store.release(number, me);
    }
    drop(messages);
    // As many operations as there are names, whatever they are about.
    for _ in 0..=NAMES {
        store.run(0, None);
    }
    assert!(store.kept() <= FEW, "{}", store.kept());
}

#[test]
fn who_holds_an_election_or_stands_for_it_is_not_forgotten() {
    let store = store();
    let (holder, other) = (identity(1), identity(2));
    store.acquire(0, holder);
    let standby = store.subscribe(&target(1));
    let token = store.campaign(1);
    for number in 10..1_000 {
        store.campaign(number);
    }
    assert_eq!(store.acquire(0, other).outcome, Outcome::Refused);
    let record = store.acquire(1, other).record.unwrap();
    assert!(record.version.seq > 1, "the record of before: {record:?}");
    assert!(record.token > token);
    drop(standby);
}

#[test]
fn a_holder_that_is_gone_without_a_word_is_forgotten_when_its_time_is_over() {
    let store = store();
    store.acquire(0, identity(1));
    pass(TTL * 3);
    store.names().forget(clock());
    assert_eq!(store.kept(), 0);
}

#[test]
fn tokens_rise_over_what_was_forgotten() {
    let mut highest = Token::NONE;
    for _ in 0..3 {
        // Another store each time, and a clock that stands.
        let store = store();
        for _ in 0..50 {
            let token = store.campaign(0);
            assert!(token > highest, "{token} after {highest}");
            highest = token;
            store.names().forget(clock());
        }
    }
}

#[test]
fn resources_are_forgotten_when_their_leases_have_run_out() {
    let store = store();
    for number in 0..NAMES {
        assert!(matches!(
            store.run(number, None),
            RunOutcome::Granted { .. }
        ));
        pass(Duration::from_millis(10));
        assert!(store.kept() <= 2 * FEW, "{}", store.kept());
    }
}

#[test]
fn a_tick_is_remembered_for_as_long_as_it_was_asked_for() {
    let store = store();
    let memory = Duration::from_secs(60);
    let tick = Some(Tick::at(5000, memory));
    assert!(matches!(store.run(0, tick), RunOutcome::Granted { .. }));
    pass(Duration::from_secs(50));
    store.names().forget(clock());
    let other = RunCommand::Acquire {
        identity: identity(77),
        ttl: TTL,
        tick,
    };
    assert_eq!(store.apply_run("resource 0", &other), RunOutcome::Ran);
    pass(Duration::from_secs(11));
    store.names().forget(clock());
    assert_eq!(store.kept(), 0);
}

#[test]
fn whoever_waits_for_a_resource_hears_of_its_release_whatever_is_forgotten() {
    let store = store();
    let mut waiting = store.subscribe_releases("resource 0");
    store.names().forget(clock());
    store.run(0, None);
    assert!(waiting.try_recv().is_ok());
}

#[test]
fn fences_are_forgotten_with_the_lease_whose_tokens_they_have_seen() {
    let store = store();
    let me = identity(1);
    store.acquire(0, me);
    let stale = |highest| FenceOutcome::Stale {
        highest: Token::new(highest),
    };
    for resource in 0..NAMES {
        assert_eq!(
            store.fence(resource, "primary:election 0", 7),
            FenceOutcome::Passed(CommandReply::Nothing)
        );
    }
    // While somebody holds it, all that its fences have seen counts.
    assert_eq!(store.fence(0, "primary:election 0", 6), stale(7));
    store.release(0, me);
    for _ in 0..=NAMES {
        store.run(0, None);
    }
    assert!(store.kept() <= FEW, "{}", store.kept());
}

#[test]
fn stores_that_nobody_has_in_hand_are_forgotten_with_their_names() {
    let is_ours = |name: &str| name.starts_with("a store of many ");
    let kept = MemoryStore::named("a store of many, kept", clock);
    let busy = MemoryStore::named("a store of many, busy", clock);
    let tick = Some(Tick::at(1, Duration::from_secs(1 << 30)));
    busy.run(0, tick);
    drop(busy);
    for number in 0..NAMES {
        let store = MemoryStore::named(&format!("a store of many {number}"), clock);
        store.campaign(number);
        drop(store);
        assert!(stores::count(is_ours) <= FEW);
    }
    let again = MemoryStore::named("a store of many, kept", clock);
    assert!(Arc::ptr_eq(&kept, &again));
    let busy = MemoryStore::named("a store of many, busy", clock);
    let other = RunCommand::Acquire {
        identity: identity(77),
        ttl: TTL,
        tick,
    };
    assert_eq!(busy.apply_run("resource 0", &other), RunOutcome::Ran);
}
