use super::scene::*;
use crate::election::{Outcome, Reason, Record, WriteKind};

#[test]
fn a_release_that_is_heard_of_is_taken_at_once() {
    let mut scene = Scene::standby();
    assert_eq!(
        scene.message(500, WriteKind::Released, released_by(OTHER, 5, 2)),
        ["no primary", "acquire A above 5 #3 within 1000"]
    );
}

#[test]
fn a_release_with_many_listeners_is_taken_after_a_random_delay_of_up_to_100_us_for_each() {
    let mut scene = Scene::standby();
    let heard = scene.released_message(500, WriteKind::Released, released_by(OTHER, 5, 2), 50);
    assert_eq!(heard, ["no primary"]);
    let wakes = scene.wakes_at().unwrap();
    assert!((500.0..=505.0).contains(&wakes), "{wakes}");
    let lines = scene.run_until(505);
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn the_delay_is_never_longer_than_40_ms() {
    let mut scene = Scene::standby();
    scene.released_message(
        500,
        WriteKind::Released,
        released_by(OTHER, 5, 2),
        1_000_000,
    );
    assert!(scene.wakes_at().unwrap() <= 540.0);
}

#[test]
fn who_hears_that_another_was_faster_does_not_ask() {
    let mut scene = Scene::standby();
    scene.released_message(500, WriteKind::Released, released_by(OTHER, 5, 2), 1000);
    scene.message(500, WriteKind::Granted, held_by(OTHER, 6, 3));
    assert_eq!(scene.run_until(600), [] as [&str; 0]);
}

#[test]
fn a_renewal_that_is_heard_of_after_the_release_which_followed_it_changes_nothing() {
    let mut scene = Scene::standby();
    scene.released_message(500, WriteKind::Released, released_by(OTHER, 5, 3), 1000);
    let late = scene.message(500, WriteKind::Renewed, held_by(OTHER, 5, 2));
    assert_eq!(late, [""; 0]);
    assert_eq!(scene.run_until(600).len(), 1, "it asks for the lease");
}

#[test]
fn a_release_heard_of_while_a_poll_is_in_flight_is_taken_when_that_is_answered() {
    let mut scene = Scene::standby();
    scene.run_until(3010);
    assert_eq!(
        scene.message(3011, WriteKind::Released, released_by(OTHER, 5, 2)),
        ["no primary"]
    );
    assert_eq!(
        scene.reply(3020, 3, reply(Outcome::Refused, held_by(OTHER, 5, 1))),
        ["acquire A above 5 #4 within 1000"],
        "the answer is older than the release"
    );
}

#[test]
fn a_record_released_in_another_incarnation_is_watched_like_a_held_one() {
    let mut scene = Scene::standby();
    let record = Record {
        same_incarnation: false,
        ..released_by(OTHER, 5, 2)
    };
    scene.run_until(3010);
    assert_eq!(
        scene.reply(3020, 3, reply(Outcome::Refused, record)),
        ["no primary"]
    );
    let lines = scene.run_until(3100);
    assert_eq!(lines, [] as [&str; 0]);
}

#[test]
fn a_standby_polls_every_third_of_the_ttl_without_messages_and_every_half_with() {
    let mut scene = Scene::standby();
    assert_eq!(scene.wakes_at(), Some(3010.0));
    scene.run_until(3010);
    scene.reply(3010, 3, reply(Outcome::Refused, held_by(OTHER, 5, 2)));
    assert_eq!(
        scene.wakes_at(),
        Some(5010.0),
        "this change was not announced"
    );
    scene.run_until(5010);
    scene.message(5012, WriteKind::Renewed, held_by(OTHER, 5, 3));
    scene.reply(5015, 4, reply(Outcome::Refused, held_by(OTHER, 5, 3)));
    assert_eq!(scene.wakes_at(), Some(8015.0));
}

#[test]
fn a_late_message_of_an_older_version_does_not_reset_the_watch() {
    let mut scene = Scene::standby();
    scene.message(500, WriteKind::Renewed, held_by(OTHER, 5, 4));
    scene.message(3000, WriteKind::Renewed, held_by(OTHER, 5, 3));
    let lines = answering_polls_until(&mut scene, 6640);
    assert_eq!(
        lines.last().unwrap(),
        "6640: acquire A above 5 watched 4.1.run"
    );
}

#[test]
fn every_new_version_resets_the_watch() {
    let mut scene = Scene::standby();
    scene.message(500, WriteKind::Renewed, held_by(OTHER, 5, 2));
    scene.message(2500, WriteKind::Renewed, held_by(OTHER, 5, 4));
    let lines = answering_polls_until(&mut scene, 8639);
    assert!(
        lines.iter().all(|line| !line.contains("watched")),
        "{lines:?}"
    );
}

#[test]
fn a_new_primary_is_told_once() {
    let mut scene = Scene::standby();
    assert_eq!(
        scene.message(500, WriteKind::Granted, held_by(OTHER, 6, 2)),
        ["primary is other with 6"]
    );
    assert_eq!(
        scene.message(600, WriteKind::Renewed, held_by(OTHER, 6, 3)),
        [] as [&str; 0]
    );
}

/// Wakes the standby until `end`, answering its polls with the record it watches.
fn answering_polls_until(scene: &mut Scene, end: u64) -> Vec<String> {
    let mut lines = Vec::new();
    for now in 0..=end {
        for line in scene.run_until(now) {
            let (line, id) = line
                .split_once(" #")
                .map(|(l, r)| (l.to_string(), r))
                .unwrap();
            let id = id.split(' ').next().unwrap().parse().unwrap();
            scene.reply(now, id, reply(Outcome::Refused, held_by(OTHER, 5, 4)));
            lines.push(line);
        }
    }
    lines
}

#[test]
fn a_record_held_by_an_identity_of_ours_that_was_given_up_is_nobody_elses() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    let old = scene.identity('A');
    scene.act(|e| e.resign(at(5), Reason::Resigned));
    scene.act(|e| e.campaign(at(6)));
    scene.reply(10, 3, reply(Outcome::Refused, created(0)));
    assert_eq!(
        scene.message(20, WriteKind::Granted, held_by(old, 7, 1)),
        ["acquire B above 0 #4 within 1000"],
        "no primary to tell of, and no answer: the store is asked whether that is true"
    );
}
