use std::time::Duration;

use super::scene::*;
use crate::election::{
    Command, Config, Election, Outcome, Output, Random, Reason, Record, Time, Version, WriteKind,
};

#[test]
fn a_primary_renews_a_third_of_the_ttl_after_the_send_of_the_last_confirmed_request() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    assert_eq!(scene.run_until(2000), ["2000: renew A 7 #2 within 1000"]);
    assert_eq!(
        scene.reply(2200, 2, reply(Outcome::Renewed, held_by(me, 7, 3))),
        ["extended until 6660"]
    );
    assert_eq!(scene.wakes_at(), Some(4000.0));
}

#[test]
fn a_primary_whose_renewal_took_long_renews_later_and_keeps_half_of_the_time_that_is_left() {
    for (answered_at, renews_at) in [(2250, 4000.0), (2700, 4900.0), (4100, 5330.0)] {
        let mut scene = Scene::primary();
        let me = scene.identity('A');
        scene.run_until(2000);
        scene.reply(answered_at, 2, reply(Outcome::Renewed, held_by(me, 7, 3)));
        assert_eq!(scene.wakes_at(), Some(renews_at), "{answered_at}");
    }
}

#[test]
fn renewals_of_many_elections_are_due_together_and_only_earlier() {
    let mut due = Vec::new();
    for sent_at in [3, 40, 51] {
        let mut election = Election::new(
            Config {
                renew_spread: Duration::ZERO,
                ..Config::new(Duration::from_secs(6))
            },
            Random::from_seed(sent_at),
        );
        let sent_at = at(sent_at as u64);
        election.listen(sent_at, true);
        election.campaign(sent_at);
        while let Some(output) = election.poll_output() {
            if let Output::Send(request) = output
                && let Command::Acquire { identity, .. } = request.command
            {
                let granted = reply(Outcome::Granted, held_by(identity, 7, 1));
                election.handle_reply(sent_at, request, granted);
            }
        }
        due.push(election.poll_timeout().unwrap());
    }
    assert_eq!(due, [at(2000), at(2000), at(2050)]);
}

#[test]
fn a_renewal_near_the_deadline_is_bounded_by_what_remains() {
    let mut scene = Scene::primary();
    assert_eq!(
        scene.timeout(4500),
        [
            "renewal of 7 is late, until 4660",
            "renew A 7 #2 within 160"
        ]
    );
}

#[test]
fn an_unanswered_renewal_is_sent_again_when_its_bound_has_passed() {
    let mut scene = Scene::primary();
    scene.run_until(2000);
    assert_eq!(
        scene.reply(3000, 2, unknown()),
        ["renew A 7 #3 within 1000"]
    );
}

#[test]
fn a_late_answer_to_an_earlier_renewal_counts_from_that_ones_send() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.run_until(2000);
    scene.reply(3000, 2, unknown());
    assert_eq!(
        scene.reply(3100, 2, reply(Outcome::Renewed, held_by(me, 7, 3))),
        ["extended until 6660"]
    );
    assert_eq!(
        scene.reply(3200, 3, reply(Outcome::Renewed, held_by(me, 7, 4))),
        ["extended until 7660"]
    );
    assert_eq!(
        scene.reply(3300, 2, reply(Outcome::Renewed, held_by(me, 7, 3))),
        [] as [&str; 0],
        "repeated, and older than what is confirmed: nothing is shortened"
    );
}

#[test]
fn a_primary_whose_record_was_flushed_writes_it_again_in_the_same_term() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.run_until(2000);
    let anew = Record {
        version: epoch_2(0),
        ..created(0)
    };
    assert_eq!(
        scene.reply(2010, 2, reply(Outcome::Stale, anew)),
        ["renew A 7 over 0.2.run #3 within 1000"]
    );
    let mine = Record {
        version: epoch_2(1),
        ..held_by(me, 7, 1)
    };
    assert_eq!(
        scene.reply(2020, 3, reply(Outcome::Renewed, mine)),
        ["extended until 6670"]
    );
}

#[test]
fn a_re_assertion_that_came_too_late_by_one_write_is_tried_over_the_newer_version() {
    let mut scene = Scene::primary();
    scene.run_until(2000);
    let anew = |seq| Record {
        version: epoch_2(seq),
        ..created(seq)
    };
    scene.reply(2010, 2, reply(Outcome::Stale, anew(0)));
    assert_eq!(
        scene.reply(2020, 3, reply(Outcome::Stale, anew(1))),
        ["renew A 7 over 1.2.run #4 within 1000"]
    );
}

#[test]
fn a_primary_whose_record_another_created_anew_writes_it_again_with_its_next_renewal() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    let anew = Record {
        version: epoch_2(0),
        ..created(0)
    };
    let heard = scene.message(500, WriteKind::Created, anew.clone());
    assert_eq!(heard, [""; 0], "whoever is primary need not listen");
    assert_eq!(scene.run_until(2000), ["2000: renew A 7 #2 within 1000"]);
    assert_eq!(
        scene.reply(2010, 2, reply(Outcome::Stale, anew)),
        ["renew A 7 over 0.2.run #3 within 1000"]
    );
    scene.reply(2020, 3, reply(Outcome::Renewed, held_by(me, 7, 1)));
}

#[test]
fn a_primary_ignores_messages_of_its_own_and_of_others() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    for (at, change, record) in [
        (20, WriteKind::Granted, held_by(me, 7, 2)),
        (30, WriteKind::Released, released_by(OTHER, 5, 1)),
        (40, WriteKind::Granted, held_by(OTHER, 9, 9)),
    ] {
        assert_eq!(scene.message(at, change, record), [""; 0]);
    }
}

fn epoch_2(seq: u64) -> Version {
    Version {
        seq,
        epoch: 2,
        incarnation: "run".into(),
    }
}

#[test]
fn an_acquire_of_ours_that_fails_after_another_was_granted_gives_nothing_up() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    let me = scene.identity('A');
    scene.reply(1000, 1, unknown());
    scene.reply(1100, 1, reply(Outcome::Granted, held_by(me, 7, 1)));
    assert_eq!(
        scene.reply(2000, 2, unknown()),
        ["renew A 7 #3 within 1000"],
        "no release of our own lease"
    );
}

#[test]
fn a_late_renewal_of_an_earlier_term_extends_nothing() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.run_until(2000);
    scene.act(|e| e.resign(at(2010), Reason::Resigned));
    scene.reply(2020, 3, reply(Outcome::Released, released_by(me, 7, 3)));
    scene.act(|e| e.campaign(at(2030)));
    let again = scene.identity('B');
    scene.reply(2040, 4, reply(Outcome::Granted, held_by(again, 8, 4)));
    assert_eq!(
        scene.reply(2050, 2, reply(Outcome::Renewed, held_by(me, 7, 3))),
        [] as [&str; 0]
    );
    assert_eq!(
        scene.reply(2060, 2, reply(Outcome::Lost, held_by(again, 8, 4))),
        [] as [&str; 0],
        "nor is the new term lost by it"
    );
}

#[test]
fn elections_that_begin_together_do_not_renew_in_step() {
    let first_renewals: Vec<u64> = (0..1_000).map(|seed| renewals(seed, false)[0]).collect();
    let in_each_tenth = |tenth: u64| {
        let within = |at: &&u64| (tenth * 200..(tenth + 1) * 200).contains(*at);
        first_renewals.iter().filter(within).count()
    };
    let counts: Vec<usize> = (0..10).map(in_each_tenth).collect();
    assert!(
        counts.iter().all(|count| (50..200).contains(count)),
        "{counts:?}"
    );
    assert_eq!(counts.iter().sum::<usize>(), 1_000, "never later than due");
}

#[test]
fn they_are_parted_anew_after_a_failure_and_only_then() {
    for seed in 0..100 {
        let undisturbed = renewals(seed, false);
        assert_eq!(undisturbed[1] - undisturbed[0], 2_000);
        let disturbed = renewals(seed, true);
        let gap = disturbed[2] - disturbed[1];
        assert!((50..=2_000).contains(&gap), "{gap}");
    }
    let gaps = (0..100)
        .map(|seed| renewals(seed, true))
        .map(|at| at[2] - at[1]);
    assert!(gaps.filter(|gap| *gap < 1_000).count() > 25);
}

/// When a primary with a ttl of 6 s sends its first renewals, in ms, the first of which fails or not.
fn renewals(seed: u128, first_fails: bool) -> Vec<u64> {
    let mut config = Config::new(Duration::from_secs(6));
    config.renew_grid = Duration::ZERO;
    let mut election = Election::new(config, Random::from_seed(seed));
    election.listen(Time::ZERO, true);
    election.campaign(Time::ZERO);
    let mut sent_at = Vec::new();
    let mut now = Time::ZERO;
    while sent_at.len() < 4 {
        while let Some(output) = election.poll_output() {
            let Output::Send(request) = output else {
                continue;
            };
            let answer = match &request.command {
                Command::Acquire { identity, .. } => {
                    reply(Outcome::Granted, held_by(*identity, 7, 1))
                }
                Command::Renew { identity, .. } => {
                    sent_at.push(now.as_micros() / 1000);
                    match first_fails && sent_at.len() == 1 {
                        true => refused(),
                        false => reply(Outcome::Renewed, held_by(*identity, 7, 1)),
                    }
                }
                _ => panic!("{request:?}"),
            };
            election.handle_reply(now, request, answer);
        }
        now = election.poll_timeout().expect("it renews");
        election.handle_timeout(now);
    }
    sent_at
}
