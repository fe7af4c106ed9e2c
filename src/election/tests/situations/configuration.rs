use std::time::Duration;

use crate::election::{Config, Identity, Version};

fn refusal(change: impl FnOnce(&mut Config)) -> String {
    let mut config = Config::new(Duration::from_secs(5));
    change(&mut config);
    config.check().unwrap_err().to_string()
}

#[test]
fn the_defaults_hold_at_every_allowed_ttl() {
    for ttl in [500, 501, 777, 5000, 60_000, 86_400_000] {
        assert_eq!(
            Config::new(Duration::from_millis(ttl)).check(),
            Ok(()),
            "ttl {ttl}"
        );
    }
}

#[test]
fn a_ttl_outside_its_range_is_refused_by_name_and_value() {
    let short = refusal(|c| c.ttl = Duration::from_millis(499));
    assert_eq!(short, "ttl must be from 500 to 86400000 ms, got 499 ms");
    let long = refusal(|c| c.ttl = Duration::from_millis(86_400_001));
    assert_eq!(long, "ttl must be from 500 to 86400000 ms, got 86400001 ms");
}

#[test]
fn a_renewal_that_leaves_no_time_for_a_second_try_is_refused_with_the_rule() {
    assert_eq!(
        refusal(|c| c.renew_interval = Duration::from_millis(2214)),
        "renewInterval must be from 50 to 2213 ms (the step-down deadline less two unanswered \
         commands, at a ttl of 5000 ms), got 2214 ms"
    );
    assert!(refusal(|c| c.renew_interval = Duration::from_millis(49)).contains("got 49 ms"));
}

#[test]
fn an_establish_timeout_outside_its_range_is_refused() {
    assert_eq!(
        refusal(|c| c.establish_timeout = Duration::from_millis(99)),
        "establishTimeout must be from 100 to 3600000 ms, got 99 ms"
    );
}

#[test]
fn a_stall_timeout_is_a_minute_or_twelve_ttls_where_none_is_given() {
    let default_at = |ttl| Config::new(Duration::from_secs(ttl)).stall_timeout;
    assert_eq!(default_at(1), Some(Duration::from_secs(60)));
    assert_eq!(default_at(5), Some(Duration::from_secs(60)));
    assert_eq!(default_at(6), Some(Duration::from_secs(72)));
}

#[test]
fn a_stall_timeout_outside_its_range_is_refused_with_the_rule() {
    assert_eq!(
        refusal(|c| c.stall_timeout = Some(Duration::from_millis(9999))),
        "stallTimeout must be false, or from 10000 (twice the ttl) to 1036800000 ms, got 9999 ms"
    );
    let long = refusal(|c| c.stall_timeout = Some(Duration::from_secs(1_036_801)));
    assert!(long.contains("got 1036801000 ms"), "{long}");
    let mut config = Config::new(Duration::from_secs(5));
    config.stall_timeout = None;
    assert_eq!(config.check(), Ok(()));
}

#[test]
fn the_deadlines_are_those_of_the_contract() {
    let config = Config::new(Duration::from_secs(5));
    assert_eq!(config.window(), Duration::from_millis(4880));
    assert_eq!(config.term(), Duration::from_millis(3880));
    assert_eq!(
        config.ripe_after(Duration::from_secs(1)),
        Duration::from_millis(5120)
    );
    assert_eq!(
        config.ripe_after(Duration::from_secs(10)),
        Duration::from_millis(10_220)
    );
}

#[test]
fn the_ends_of_the_range_of_renewals_are_allowed() {
    for millis in [50, 2213] {
        let mut config = Config::new(Duration::from_secs(5));
        config.renew_interval = Duration::from_millis(millis);
        assert_eq!(config.check(), Ok(()), "{millis} ms");
    }
}

#[test]
fn a_version_and_an_identity_are_written_as_the_scripts_compare_them() {
    let version = Version {
        seq: 12,
        epoch: 0xbeef,
        incarnation: "a1:b2".into(),
    };
    assert_eq!(version.to_string(), "12.000000000000beef.a1:b2");
    let identity = Identity::new(0xbeef);
    assert_eq!(identity.to_string(), "0000000000000000000000000000beef");
    assert_eq!(identity.to_string().parse(), Ok(identity));
}
