use super::scene::*;
use crate::election::{Outcome, Token, WriteKind};

/// The work of the present primary fails at this time, and its release is answered.
fn fail(scene: &mut Scene, now: u64, token: u64, letter: char, request: u64) {
    let lost = format!("lost {token}: failed");
    let said = scene.act(|e| e.fail(at(now), Token::new(token), false));
    assert_eq!(said[0], lost);
    let me = scene.identity(letter);
    scene.reply(
        now + 10,
        request,
        reply(Outcome::Released, released_by(me, token, 3)),
    );
}

#[test]
fn a_primary_whose_work_fails_gives_its_place_up_at_once() {
    let mut scene = Scene::primary();
    scene.run_until(1000);
    assert_eq!(
        scene.act(|e| e.fail(at(1000), Token::new(7), false)),
        ["lost 7: failed", "release A to 1 #2 within 1000"],
        "it is told before anything is sent, and nothing is asked for"
    );
}

#[test]
fn other_work_under_the_lease_has_until_the_windows_end_to_stop() {
    let mut scene = Scene::primary();
    scene.run_until(1000);
    assert_eq!(
        scene.act(|e| e.fail(at(1000), Token::new(7), true)),
        ["lost 7: failed"]
    );
    let released = scene.run_until(6000);
    assert!(
        released[0].ends_with("release A to 1 #2 within 1000"),
        "{released:?}"
    );
}

#[test]
fn the_failure_of_an_earlier_term_changes_nothing() {
    let mut scene = Scene::primary();
    assert_eq!(
        scene.act(|e| e.fail(at(1000), Token::new(6), false)),
        [""; 0]
    );
}

#[test]
fn it_stands_again_after_a_ttl_though_it_is_told_of_a_release_before() {
    let mut scene = Scene::primary();
    scene.run_until(1000);
    fail(&mut scene, 1000, 7, 'A', 2);
    let me = scene.identity('A');
    assert_eq!(
        scene.message(1200, WriteKind::Released, released_by(me, 7, 3)),
        [""; 0]
    );
    let said = scene.run_until(7000);
    let stands = said.iter().find(|line| line.contains("acquire"));
    assert!(
        stands.is_some_and(|line| line.starts_with("7000: acquire B above 7")),
        "{said:?}"
    );
}

#[test]
fn somebody_who_asks_for_an_answer_ends_the_pause() {
    let mut scene = Scene::primary();
    scene.run_until(1000);
    fail(&mut scene, 1000, 7, 'A', 2);
    let said = scene.act(|e| e.campaign(at(1100)));
    assert!(said[0].starts_with("acquire B above 7"), "{said:?}");
}

#[test]
fn the_pause_doubles_with_every_failure_up_to_a_minute() {
    use std::time::Duration;

    use crate::election::Config;
    let config = Config::new(Duration::from_secs(5));
    let rests: Vec<u64> = (0..6).map(|n| config.rest(n).as_secs()).collect();
    assert_eq!(rests, [5, 10, 20, 40, 60, 60]);
    assert_eq!(config.rest(u32::MAX).as_secs(), 60);
    let long = Config::new(Duration::from_secs(90));
    assert_eq!(long.rest(3).as_secs(), 90);
}
