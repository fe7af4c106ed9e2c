use super::scene::*;
use crate::election::{Outcome, Reason, WriteKind};

#[test]
fn a_silent_store_is_reported_once_after_a_third_of_the_ttl_and_again_when_it_answers() {
    let mut scene = Scene::standby();
    scene.run_until(3010);
    assert_eq!(
        scene.reply(4010, 3, unknown()),
        ["acquire A above 5 #4 within 1000"]
    );
    assert_eq!(scene.run_until(5009), [] as [&str; 0]);
    assert_eq!(scene.run_until(5010), ["5010: unavailable: timed out"]);
    assert_eq!(
        scene.reply(5010, 4, unknown()),
        ["acquire A above 5 #5 within 1000"]
    );
    assert_eq!(
        scene.reply(5500, 5, reply(Outcome::Refused, held_by(OTHER, 5, 2))),
        ["available"]
    );
}

#[test]
fn a_refusal_is_reported_at_once() {
    let mut scene = Scene::primary();
    scene.run_until(2000);
    assert_eq!(scene.reply(2005, 2, refused()), ["unavailable: LOADING"]);
    assert!(
        scene.wakes_at().unwrap() <= 2050.0,
        "and tried again after a short pause"
    );
}

#[test]
fn error_answers_are_retried_after_pauses_that_double_up_to_a_sixth_of_the_ttl() {
    let mut scene = Scene::standby();
    scene.run_until(3010);
    let mut now = 3010.0_f64;
    let mut pauses = Vec::new();
    for id in 3..9 {
        scene.reply(now as u64, id, refused());
        let next = scene.wakes_at().unwrap();
        pauses.push(next - now);
        now = next.ceil();
        scene.timeout(now as u64);
    }
    for (i, pause) in pauses.iter().enumerate() {
        let longest = (50 << i).min(1000) as f64;
        assert!(
            (longest / 2.0 - 1.0..=longest).contains(pause),
            "{i}: {pauses:?}"
        );
    }
}

#[test]
fn an_establishing_caller_is_answered_when_the_store_stays_silent() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    let mut lines = Vec::new();
    for (id, now) in (1..=10).map(|id| (id, id * 1000)) {
        lines.extend(scene.run_until(now));
        lines.extend(scene.reply(now, id, unknown()));
    }
    lines.retain(|line| !line.starts_with("acquire"));
    assert_eq!(
        lines,
        [
            "2000: unavailable: timed out",
            "10000: answer: unavailable: timed out",
            "10000: release A to 0 #11 within 1000"
        ]
    );
}

#[test]
fn only_time_without_an_answer_counts_for_an_establishing_caller() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    scene.reply(900, 1, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    scene.run_until(2900);
    for (id, now) in (2..=10).map(|id| (id, 2900 + (id - 1) * 1000)) {
        let lines = scene.run_until(now);
        assert!(
            lines.iter().all(|line| !line.contains("answer")),
            "{lines:?}"
        );
        scene.reply(now, id, unknown());
    }
    let lines = scene.run_until(12_900);
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("12900: answer: unavailable")),
        "{lines:?}"
    );
}

#[test]
fn refused_credentials_end_an_establishing_campaign() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    assert_eq!(
        scene.reply(10, 1, denied()),
        [
            "unavailable: WRONGPASS",
            "answer: denied: WRONGPASS",
            "ended"
        ]
    );
    assert_eq!(scene.wakes_at(), None);
}

#[test]
fn credentials_refused_under_a_primary_are_reported_and_retried_until_it_steps_down() {
    let mut scene = Scene::primary();
    scene.run_until(2000);
    assert_eq!(scene.reply(2005, 2, denied()), ["unavailable: WRONGPASS"]);
    let lines = scene.run_until(2100);
    assert!(lines[0].contains("renew A 7 #3"), "{lines:?}");
    assert_eq!(
        scene.run_until(4660),
        [
            "3330: renewal of 7 is late, until 4660",
            "4660: lost 7: store-lost"
        ]
    );
}

#[test]
fn a_campaign_that_has_answered_survives_refused_credentials() {
    let mut scene = Scene::standby();
    scene.message(20, WriteKind::Renewed, held_by(OTHER, 5, 2));
    scene.run_until(3010);
    assert_eq!(scene.reply(3015, 3, denied()), ["unavailable: WRONGPASS"]);
    assert!(scene.wakes_at().is_some());
}

#[test]
fn the_outage_of_an_ended_campaign_is_forgotten() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.run_until(2000);
    scene.reply(2005, 2, refused());
    scene.act(|e| e.resign(at(2010), Reason::Resigned));
    assert_eq!(
        scene.reply(2020, 3, reply(Outcome::Released, released_by(me, 7, 3))),
        ["ended"],
        "no `available` after `resigned`"
    );
}

#[test]
fn nothing_shortens_the_pause_after_a_refusal() {
    let mut scene = Scene::standby();
    scene.run_until(3010);
    scene.reply(3011, 3, refused());
    assert_eq!(
        scene.message(3012, WriteKind::Released, released_by(OTHER, 5, 2)),
        ["no primary"],
        "a free place is no reason to press a store that refuses"
    );
    assert_eq!(scene.run_until(3061).len(), 1);
}

#[test]
fn nothing_of_an_ended_campaign_wakes_anybody() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    let me = scene.identity('A');
    scene.act(|e| e.resign(at(5), Reason::Resigned));
    scene.reply(10, 2, reply(Outcome::NotMine, created(0)));
    assert_eq!(
        scene.reply(20, 1, reply(Outcome::Refused, held_by(me, 7, 1))),
        ["release A to 0 #3 within 1000"]
    );
    scene.reply(30, 3, reply(Outcome::Released, released_by(me, 7, 2)));
    assert_eq!(scene.wakes_at(), None);
}
