//! A request to resign, which the reply to a renewal shows.

use super::scene::*;
use crate::election::{Failure, Outcome, Record, Reply};

fn asked(record: Record) -> Result<Reply, Failure> {
    reply(Outcome::Renewed, record).map(|reply| Reply {
        asked: true,
        ..reply
    })
}

/// A primary whose first renewal, sent at 2 s and confirmed at 2.01 s, shows that somebody asks for its lease.
fn asked_primary() -> (Scene, Vec<String>) {
    let mut scene = Scene::primary();
    scene.run_until(2000);
    let me = scene.identity('A');
    let told = scene.reply(2010, 2, asked(held_by(me, 7, 3)));
    (scene, told)
}

#[test]
fn a_primary_that_is_asked_tells_so_and_renews_until_its_work_has_stopped() {
    let (mut scene, told) = asked_primary();
    assert_eq!(told, ["extended until 6660", "asked for 7 until 8010"]);
    let lines = scene.run_until(4000);
    assert_eq!(lines, ["4000: renew A 7 #3 within 1000"]);
    let me = scene.identity('A');
    let again = scene.reply(4010, 3, asked(held_by(me, 7, 4)));
    assert_eq!(again, ["extended until 8660"], "it was told once");
    let aside = scene.act(|e| e.step_aside(at(4500), crate::election::Token::new(7)));
    assert_eq!(aside, ["lost 7: asked", "release A to 1 #4 within 1000"]);
}

#[test]
fn who_does_not_stop_its_work_is_made_to_let_go_after_a_ttl() {
    let (mut scene, _) = asked_primary();
    let me = scene.identity('A');
    for (id, time) in [(3, 4000), (4, 6000), (5, 8000)] {
        scene.run_until(time);
        scene.reply(time, id, asked(held_by(me, 7, id + 1)));
    }
    let lines = scene.run_until(8010);
    assert_eq!(lines[0], "8010: lost 7: asked");
}

#[test]
fn it_stands_again_after_a_ttl_in_which_another_could() {
    let (mut scene, _) = asked_primary();
    scene.act(|e| e.step_aside(at(2100), crate::election::Token::new(7)));
    let me = scene.identity('A');
    scene.reply(2110, 3, reply(Outcome::Released, released_by(me, 7, 4)));
    let lines = scene.run_until(8_099);
    assert!(
        lines.iter().all(|line| !line.contains("acquire")),
        "{lines:?}"
    );
    let lines = scene.run_until(8_100);
    assert!(
        lines.iter().any(|line| line.contains("acquire B")),
        "{lines:?}"
    );
}

#[test]
fn a_request_for_another_term_moves_nobody() {
    let (mut scene, _) = asked_primary();
    let aside = scene.act(|e| e.step_aside(at(2100), crate::election::Token::new(6)));
    assert_eq!(aside, [""; 0]);
    let mut scene = Scene::primary();
    let unasked = scene.act(|e| e.step_aside(at(100), crate::election::Token::new(7)));
    assert_eq!(unasked, [""; 0]);
}
