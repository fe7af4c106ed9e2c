use super::scene::*;
use crate::election::{Outcome, Record};

#[test]
fn primary_steps_down_at_the_renew_deadline_when_redis_goes_silent() {
    let mut scene = Scene::primary();
    scene.run_until(2000);
    assert_eq!(
        scene.reply(3000, 2, unknown()),
        ["renew A 7 #3 within 1000"]
    );
    assert_eq!(
        scene.reply(4000, 3, unknown()),
        ["renew A 7 #4 within 660"],
        "no longer than the deadline allows"
    );
    assert_eq!(
        scene.run_until(4660),
        [
            "3330: renewal of 7 is late, until 4660",
            "4000: unavailable: timed out",
            "4660: lost 7: store-lost"
        ],
        "neither earlier nor later"
    );
}

#[test]
fn primary_steps_down_in_time_when_redis_answers_with_errors_once_a_second() {
    let mut scene = Scene::primary();
    let mut lines = Vec::new();
    let mut answered = 1;
    for now in (0..).map(|i| 2000 + i * 100).take_while(|now| *now < 6000) {
        lines.extend(scene.run_until(now));
        let sent = lines.iter().filter(|line| line.contains("renew A")).count() as u64 + 1;
        if now % 1000 == 0 && answered < sent {
            answered = sent;
            lines.extend(
                scene
                    .reply(now, sent, refused())
                    .into_iter()
                    .map(|l| format!("{now}: {l}")),
            );
        }
    }
    let lost: Vec<_> = lines.iter().filter(|line| line.contains("lost")).collect();
    assert_eq!(lost, ["4660: lost 7: store-lost"]);
}

#[test]
fn nothing_is_asked_of_the_store_between_a_loss_and_the_end_of_the_window() {
    let mut scene = Scene::primary();
    scene.run_until(2000);
    scene.reply(2010, 2, refused());
    scene.run_until(2100);
    assert_eq!(
        scene.run_until(4660).last().unwrap(),
        "4660: lost 7: store-lost"
    );
    let after = scene.run_until(5859);
    assert!(after.iter().all(|line| !line.contains('#')), "{after:?}");
    assert_eq!(
        scene.run_until(5860),
        [
            "5860: release A to 1 #4 within 1000",
            "5860: acquire B above 7 #5 within 1000"
        ]
    );
}

#[test]
fn a_reply_after_the_step_down_deadline_revives_nothing() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.run_until(2000);
    assert_eq!(
        scene.reply(4660, 2, reply(Outcome::Renewed, held_by(me, 7, 3))),
        ["lost 7: expired"]
    );
}

#[test]
fn a_reply_just_before_the_step_down_deadline_is_in_time() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.run_until(2000);
    assert_eq!(
        scene
            .reply(4659, 2, reply(Outcome::Renewed, held_by(me, 7, 3)))
            .last()
            .unwrap(),
        "extended until 6660"
    );
}

#[test]
fn a_primary_that_was_frozen_past_its_deadline_is_expired_and_starts_anew() {
    let mut scene = Scene::primary();
    assert_eq!(
        scene.timeout(12_000),
        [
            "lost 7: expired",
            "release A to 1 #2 within 1000",
            "acquire B above 7 watched 2.1.run #3 within 1000"
        ],
        "nobody else may have been there: it has watched its own record long enough"
    );
}

#[test]
fn a_lease_that_was_seen_to_be_over_is_not_extended() {
    let mut scene = Scene::primary();
    assert_eq!(
        scene.act(|e| e.handle_expired(at(4659))),
        ["lost 7: expired"]
    );
}

#[test]
fn a_renewal_that_finds_a_newer_grant_is_superseded_and_stands_again() {
    let mut scene = Scene::primary();
    scene.run_until(2000);
    assert_eq!(
        scene.reply(2010, 2, reply(Outcome::Lost, held_by(OTHER, 9, 4))),
        ["lost 7: superseded", "primary is other with 9"]
    );
}

#[test]
fn nobody_who_does_not_listen_stands_again_after_a_loss() {
    let mut scene = Scene::primary();
    scene.act(|e| e.listen(at(20), false));
    assert_eq!(scene.timeout(4700), ["lost 7: expired"]);
    assert_eq!(
        scene.run_until(5860),
        ["5860: release A to 1 #2 within 1000"]
    );
}

#[test]
fn a_lost_lease_s_own_record_from_before_a_restart_is_watched_like_any_other() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.timeout(12_000);
    scene.reply(
        12_010,
        2,
        reply(Outcome::Stale, other_incarnation(held_by(me, 7, 2))),
    );
    scene.reply(
        12_020,
        3,
        reply(Outcome::Refused, other_incarnation(held_by(me, 7, 2))),
    );
    let lines = scene.run_until(18_150);
    let taken = lines.iter().find(|line| line.contains("watched"));
    assert_eq!(taken, None, "{lines:?}");
}

fn other_incarnation(record: Record) -> Record {
    let version = crate::election::Version {
        incarnation: "later".into(),
        ..record.version
    };
    Record {
        version,
        same_incarnation: false,
        ..record
    }
}

#[test]
fn a_renewal_that_is_never_answered_does_not_keep_the_next_standing_from_asking() {
    let mut scene = Scene::primary();
    scene.run_until(2000);
    let lines = scene.run_until(5860);
    assert_eq!(
        lines,
        [
            "3330: renewal of 7 is late, until 4660",
            "4000: unavailable: no answer from the store",
            "4660: lost 7: store-lost",
            "5860: release A to 1 #3 within 1000",
            "5860: acquire B above 7 #4 within 1000"
        ]
    );
}

/// As after a failover that lost the newer grant.
#[test]
fn a_superseded_primary_releases_what_it_finds_of_its_own_only_when_its_window_has_ended() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.run_until(2000);
    let superseded = reply(Outcome::Lost, held_by(OTHER, 8, 5));
    assert_eq!(scene.reply(2010, 2, superseded)[0], "lost 7: superseded");
    let mut record = held_by(me, 7, 6);
    record.version.incarnation = "another incarnation".into();
    scene.run_until(4010);
    let mut lines = scene.reply(4020, 3, reply(Outcome::Refused, record));
    lines.extend(scene.run_until(5859));
    assert!(
        lines.iter().all(|line| !line.contains("release A")),
        "{lines:?}"
    );
    let lines = scene.run_until(5860);
    assert!(
        lines.iter().any(|line| line.contains("release A")),
        "{lines:?}"
    );
}
