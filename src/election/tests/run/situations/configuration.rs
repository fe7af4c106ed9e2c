use std::time::Duration;

use super::scene::{config, millis};
use crate::election::run::{DEFAULT_TICK_MEMORY, RunConfig, Tick};

#[test]
fn everything_follows_from_the_ttl() {
    let config = config();
    assert_eq!(config.window(), millis(5860));
    assert_eq!(config.term(), millis(4660));
    assert_eq!(config.renew_interval(), millis(2000));
    assert_eq!(config.command_bound(), millis(1000));
    assert_eq!(config.acquire_timeout, millis(3000));
    assert_eq!(config.long_run(), millis(60_000));
    let long = RunConfig::new(millis(60_000));
    assert_eq!(long.acquire_timeout, millis(5000));
    assert_eq!(long.long_run(), millis(600_000));
}

#[test]
fn the_shortest_ttl_leaves_time_for_a_renewal_and_its_bound() {
    let config = RunConfig::new(millis(100));
    config.check("lockTTL").unwrap();
    assert!(config.renew_interval() + config.command_bound() < config.term());
}

#[test]
fn what_is_out_of_range_is_named_with_its_value() {
    let told = |change: fn(&mut RunConfig)| {
        let mut config = RunConfig::new(millis(1000));
        change(&mut config);
        config.check("lockTTL").unwrap_err().to_string()
    };
    assert_eq!(
        told(|c| c.ttl = Duration::from_micros(99_500)),
        "lockTTL must be from 100 to 86400000 ms, got 99.5 ms"
    );
    assert_eq!(
        told(|c| c.ttl = millis(99)),
        "lockTTL must be from 100 to 86400000 ms, got 99 ms"
    );
    assert_eq!(
        told(|c| c.min_hold = millis(1001)),
        "minHold must be from 0 to 1000 ms (the lockTTL), got 1001 ms"
    );
    assert_eq!(
        told(|c| c.wait = millis(86_400_001)),
        "wait must be from 0 to 86400000 ms, got 86400001 ms"
    );
    assert_eq!(
        told(|c| c.acquire_timeout = millis(9)),
        "acquireTimeout must be from 10 to 86400000 ms, got 9 ms"
    );
    let tick = |c: &mut RunConfig| {
        let memory = millis(999);
        c.tick = Some(Tick::at(0, memory));
    };
    assert_eq!(
        told(tick),
        "tickMemory must be from 1000 to 2592000000 ms, got 999 ms"
    );
    for (period, shown) in [(1, "1"), (2_592_000_002, "2592000002")] {
        let mut config = RunConfig::new(millis(1000));
        config.tick = Some(Tick::every(millis(period)));
        assert_eq!(
            config.check("ttl").unwrap_err().to_string(),
            format!("tickEvery must be from 2 to 2592000000 ms, got {shown} ms")
        );
    }
    let mut config = RunConfig::new(millis(1000));
    config.min_hold = config.ttl;
    let memory = DEFAULT_TICK_MEMORY;
    config.tick = Some(Tick::at(-1, memory));
    config.check("ttl").unwrap();
}

#[test]
fn no_question_takes_more_than_a_third_of_what_its_caller_has() {
    let bound = |ttl, acquire_timeout| {
        let acquire_timeout = millis(acquire_timeout);
        let config = RunConfig {
            acquire_timeout,
            ..RunConfig::new(millis(ttl))
        };
        config.question_bound().as_millis()
    };
    assert_eq!(bound(30_000, 5000), 1666);
    assert_eq!(bound(86_400_000, 5000), 1666);
    assert_eq!(bound(5000, 2500), 833, "a sixth of the ttl is no more");
    assert_eq!(bound(30_000, 120), 100, "nor is it less than 100 ms");
    assert_eq!(
        bound(30_000, 10),
        100,
        "what the caller has cuts it all the same"
    );
}
