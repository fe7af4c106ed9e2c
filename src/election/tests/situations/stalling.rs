use super::scene::*;
use crate::election::{Outcome, Reason, WriteKind};

#[test]
fn a_primary_whose_event_loop_hangs_is_stalled_and_gives_its_place_up_at_once() {
    let mut scene = Scene::primary();
    scene.run_until(1000);
    assert_eq!(
        scene.act(|e| e.suspend(at(1000))),
        ["lost 7: stalled", "release A to 1 #2 within 1000"],
        "it is told before anything is sent, and nothing is asked for"
    );
    let me = scene.identity('A');
    scene.reply(1010, 2, reply(Outcome::Released, released_by(me, 7, 3)));
    assert_eq!(scene.wakes_at(), None);
}

#[test]
fn a_stalled_primary_stands_again_with_a_new_identity_when_its_loop_turns_again() {
    let mut scene = Scene::primary();
    scene.act(|e| e.suspend(at(1000)));
    let me = scene.identity('A');
    scene.reply(1010, 2, reply(Outcome::Released, released_by(me, 7, 3)));
    assert_eq!(
        scene.act(|e| e.resume(at(9000))),
        ["acquire B above 7 watched 2.1.run #3 within 1000"]
    );
    let again = scene.identity('B');
    assert_eq!(
        scene.reply(9010, 3, reply(Outcome::Granted, held_by(again, 8, 4))),
        ["elected 8 until 13660"]
    );
}

#[test]
fn a_stalled_primary_to_whom_nobody_listens_looks_on_when_its_loop_turns_again() {
    let mut scene = Scene::primary();
    scene.act(|e| e.listen(at(20), false));
    scene.act(|e| e.suspend(at(1000)));
    let me = scene.identity('A');
    scene.reply(1010, 2, reply(Outcome::Released, released_by(me, 7, 3)));
    assert_eq!(scene.act(|e| e.resume(at(9000))), [""; 0]);
    assert_eq!(
        scene.run_until(11_000),
        [
            "11000: notice: nobody listens",
            "11000: inspect #3 within 1000"
        ]
    );
}

#[test]
fn a_standby_whose_event_loop_hangs_takes_nothing_and_asks_nothing() {
    let mut scene = Scene::standby();
    assert_eq!(scene.act(|e| e.suspend(at(100))), [""; 0]);
    assert_eq!(
        scene.message(200, WriteKind::Released, released_by(OTHER, 5, 2)),
        [""; 0]
    );
    assert_eq!(scene.run_until(60_000), [""; 0]);
    assert_eq!(
        scene.act(|e| e.resume(at(60_000))),
        ["acquire B above 5 watched 1.1.run #3 within 1000"]
    );
}

#[test]
fn a_grant_that_comes_while_the_event_loop_hangs_is_given_back() {
    let mut scene = Scene::standby();
    scene.message(20, WriteKind::Released, released_by(OTHER, 5, 2));
    let me = scene.identity('A');
    assert_eq!(
        scene.act(|e| e.suspend(at(30))),
        ["release A to 0 #4 within 1000"],
        "the acquire on its way may be granted"
    );
    assert_eq!(
        scene.reply(40, 3, reply(Outcome::Granted, held_by(me, 6, 3))),
        [""; 0]
    );
    scene.reply(50, 4, reply(Outcome::Released, released_by(me, 6, 4)));
    assert_eq!(scene.wakes_at(), None);
}

#[test]
fn a_caller_who_establishes_while_the_event_loop_hangs_is_answered_when_it_turns() {
    let mut scene = Scene::new();
    scene.act(|e| e.suspend(at(0)));
    assert_eq!(scene.act(|e| e.campaign(at(10))), [""; 0]);
    assert_eq!(
        scene.run_until(60_000),
        [""; 0],
        "redis is not found unavailable while nobody asks it"
    );
    assert_eq!(
        scene.act(|e| e.resume(at(60_000))),
        ["acquire A above 0 #1 within 1000"]
    );
    let me = scene.identity('A');
    assert_eq!(
        scene.reply(60_010, 1, reply(Outcome::Granted, held_by(me, 7, 1))),
        ["elected 7 until 64660", "answer: elected 7"]
    );
}

#[test]
fn a_caller_who_waits_for_a_silent_store_waits_no_longer_for_the_hang() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    scene.run_until(900);
    scene.act(|e| e.suspend(at(900)));
    scene.reply(1000, 1, unknown());
    let hanging = scene.run_until(60_000);
    assert!(
        hanging.iter().all(|line| !line.contains("unavailable")),
        "{hanging:?}"
    );
    scene.act(|e| e.resume(at(60_000)));
    let lines = scene.run_until(70_000);
    let answers: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("answer"))
        .collect();
    assert_eq!(
        answers,
        ["70000: answer: unavailable: timed out"],
        "the time begins anew: nobody asked the store meanwhile"
    );
}

#[test]
fn a_loss_before_the_hang_is_not_reported_again() {
    let mut scene = Scene::primary();
    assert_eq!(
        scene.act(|e| e.suspend(at(4700))),
        ["lost 7: expired"],
        "frozen past its deadline before anybody noticed the hang"
    );
    assert_eq!(
        scene.run_until(20_000),
        ["5860: release A to 1 #2 within 1000"],
        "and asks for nothing when the window has ended"
    );
    assert_eq!(
        scene.act(|e| e.resume(at(20_000))),
        ["acquire B above 7 watched 2.1.run #3 within 1000"]
    );
}

#[test]
fn a_campaign_that_is_resigned_while_the_event_loop_hangs_ends() {
    let mut scene = Scene::primary();
    scene.act(|e| e.suspend(at(1000)));
    let me = scene.identity('A');
    scene.reply(1010, 2, reply(Outcome::Released, released_by(me, 7, 3)));
    assert_eq!(
        scene.act(|e| e.resign(at(1020), Reason::Exit)),
        ["resigned: exit", "ended"]
    );
    assert_eq!(scene.act(|e| e.resume(at(2000))), [""; 0]);
}

#[test]
fn a_hang_that_is_reported_twice_or_ends_unreported_changes_nothing() {
    let mut scene = Scene::primary();
    assert_eq!(scene.act(|e| e.resume(at(100))), [""; 0]);
    scene.act(|e| e.suspend(at(1000)));
    assert_eq!(scene.act(|e| e.suspend(at(1100))), [""; 0]);
}
