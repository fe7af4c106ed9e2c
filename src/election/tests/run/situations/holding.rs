use super::scene::*;
use crate::election::run::{RunConfig, RunOutcome};

#[test]
fn a_holder_renews_a_third_of_the_ttl_after_the_send_of_what_was_confirmed() {
    let mut scene = Scene::holding();
    assert_eq!(scene.run_until(2000), ["2000: renew 7 #2 within 1000"]);
    assert_eq!(
        scene.reply(2700, 2, Ok(RunOutcome::Renewed)),
        ["extended until 6660"]
    );
    assert_eq!(scene.wakes_at(), Some(4000));
}

#[test]
fn an_unanswered_renewal_is_sent_again_when_its_bound_has_passed() {
    let mut scene = Scene::holding();
    scene.run_until(2000);
    assert_eq!(scene.reply(3000, 2, unknown()), ["renew 7 #3 within 1000"]);
    assert_eq!(
        scene.reply(3010, 3, Ok(RunOutcome::Renewed)),
        ["extended until 7660"]
    );
    assert_eq!(scene.wakes_at(), Some(5000));
}

#[test]
fn a_renewal_that_the_server_refuses_is_sent_again_after_a_pause() {
    let mut scene = Scene::holding();
    scene.run_until(2000);
    assert_eq!(scene.reply(2010, 2, refused()), NOTHING);
    let again = scene.lease.poll_timeout().unwrap();
    assert!(again >= at(2025) && again <= at(2050), "{again:?}");
    assert_eq!(scene.timeout(2050), ["renew 7 #3 within 1000"]);
    scene.reply(2060, 3, Ok(RunOutcome::Renewed));
    assert_eq!(scene.wakes_at(), Some(4050));
}

#[test]
fn a_renewal_that_is_denied_is_tried_until_the_deadline() {
    let mut scene = Scene::holding();
    scene.run_until(2000);
    assert_eq!(scene.reply(2010, 2, denied()), NOTHING);
    assert_eq!(scene.timeout(2050), ["renew 7 #3 within 1000"]);
}

#[test]
fn a_renewal_near_the_deadline_is_bounded_by_what_remains() {
    let mut scene = Scene::holding();
    assert_eq!(scene.timeout(4500), ["renew 7 #2 within 160"]);
}

#[test]
fn what_others_release_does_not_concern_a_holder() {
    let mut scene = Scene::holding();
    assert_eq!(scene.message(100, 0), NOTHING);
    assert_eq!(scene.wakes_at(), Some(2000));
}

#[test]
fn a_run_that_nothing_bounds_is_warned_of_once_when_it_has_lasted() {
    let mut scene = Scene::holding();
    let mut warned = Vec::new();
    for id in 2..40 {
        let now = (id - 1) * 2000;
        let lines = scene.run_until(now);
        warned.extend(lines.into_iter().filter(|line| line.contains("long run")));
        scene.reply(now, id, Ok(RunOutcome::Renewed));
    }
    assert_eq!(warned, ["60010: long run: 60 s"]);
}

#[test]
fn a_run_that_is_bounded_is_not_warned_of() {
    let mut scene = Scene::asking_with(RunConfig {
        bounded: true,
        ..config()
    });
    scene.reply(10, 1, granted(7));
    scene.begin(10);
    for id in 2..40 {
        let now = (id - 1) * 2000;
        let lines = scene.run_until(now);
        assert!(
            !lines.iter().any(|line| line.contains("long run")),
            "{lines:?}"
        );
        scene.reply(now, id, Ok(RunOutcome::Renewed));
    }
}

#[test]
fn a_grant_that_nobody_takes_is_not_renewed_and_ends_by_itself() {
    let mut scene = Scene::asking();
    scene.reply(10, 1, granted(7));
    assert_eq!(scene.run_until(9000), ["4660: lost 7: expired"]);
    // Whoever notices then has it asked for again.
    assert_eq!(scene.miss(9000), ["acquire #2 within 1000"]);
}

#[test]
fn a_grant_that_is_nearly_over_when_it_is_noticed_is_asked_for_again() {
    assert_eq!(config().least_to_begin(), millis(250));
    let mut scene = Scene::asking();
    scene.reply(10, 1, granted(7));
    assert_eq!(scene.miss(4600), ["acquire #2 within 1000"]);
    // To the store it is the same acquisition.
    assert_eq!(scene.reply(4610, 2, granted(7)), ["granted 7 until 9260"]);
    scene.begin(4620);
    assert_eq!(scene.run_until(6600), ["6600: renew 7 #3 within 1000"]);
}

#[test]
fn a_grant_that_is_taken_late_is_renewed_at_once() {
    let mut scene = Scene::asking();
    scene.reply(10, 1, granted(7));
    assert_eq!(scene.timeout(2000), NOTHING);
    assert_eq!(scene.begin(3000), ["renew 7 #2 within 1000"]);
    let renewed = Ok(RunOutcome::Renewed);
    assert_eq!(scene.reply(3010, 2, renewed), ["extended until 7660"]);
}
