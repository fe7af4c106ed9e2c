use super::scene::*;
use crate::election::run::{RunConfig, RunOutcome};

const RELEASED: Result<RunOutcome, crate::election::Failure> = Ok(RunOutcome::Released);

#[test]
fn a_run_that_is_over_releases_its_lease() {
    let mut scene = Scene::holding();
    assert_eq!(scene.release(500), ["release 7 #2 within 1000"]);
    assert_eq!(scene.reply(510, 2, RELEASED), ["released", "ended"]);
    assert_eq!(scene.wakes_at(), None);
}

#[test]
fn a_release_carries_the_min_hold() {
    let min_hold = millis(500);
    let mut scene = Scene::asking_with(RunConfig {
        min_hold,
        ..config()
    });
    scene.reply(10, 1, granted(7));
    assert_eq!(scene.release(20), ["release 7 kept 500 #2 within 1000"]);
}

#[test]
fn a_release_that_finds_another_is_over_too() {
    let mut scene = Scene::holding();
    scene.release(500);
    let answer = Ok(RunOutcome::NotMine);
    assert_eq!(scene.reply(510, 2, answer), ["released", "ended"]);
}

#[test]
fn a_release_whose_reply_was_lost_is_sent_again_while_the_caller_goes_on() {
    let mut scene = Scene::holding();
    scene.release(500);
    assert_eq!(
        scene.reply(1500, 2, unknown()),
        ["released", "release 7 #3 within 1000"]
    );
    assert_eq!(scene.reply(1510, 3, RELEASED), ["ended"]);
}

#[test]
fn a_release_is_sent_until_the_lease_has_run_out_by_itself() {
    let mut scene = Scene::holding();
    scene.release(500);
    let mut lines = Vec::new();
    for id in 2.. {
        let now = 500 + (id - 1) * 1000;
        lines.extend(scene.run_until(now));
        if lines.last().is_some_and(|line| line.ends_with("ended")) {
            break;
        }
        lines.extend(scene.reply(now, id, unknown()));
    }
    assert_eq!(
        lines,
        [
            "released",
            "release 7 #3 within 1000",
            "release 7 #4 within 1000",
            "release 7 #5 within 1000",
            "release 7 #6 within 1000",
            "release 7 #7 within 1000",
            "6500: ended"
        ]
    );
}

#[test]
fn a_release_that_is_never_answered_ends_with_the_ttl() {
    let mut scene = Scene::holding();
    scene.release(500);
    assert_eq!(scene.run_until(60_000), ["5860: released", "6500: ended"]);
    assert_eq!(scene.reply(60_001, 2, RELEASED), NOTHING);
}

#[test]
fn a_release_that_the_server_refuses_is_sent_again_after_a_pause() {
    let mut scene = Scene::holding();
    scene.release(500);
    assert_eq!(scene.reply(510, 2, refused()), ["released"]);
    assert_eq!(scene.timeout(550), ["release 7 #3 within 1000"]);
    assert_eq!(scene.reply(560, 3, RELEASED), ["ended"]);
}

#[test]
fn a_release_that_is_denied_is_not_sent_again() {
    let mut scene = Scene::holding();
    scene.release(500);
    assert_eq!(scene.reply(510, 2, denied()), ["released", "ended"]);
}

#[test]
fn released_is_told_once_however_often_it_is_asked_for() {
    let mut scene = Scene::holding();
    scene.release(500);
    assert_eq!(scene.release(501), NOTHING);
    assert_eq!(scene.abandon(502), NOTHING);
    assert_eq!(scene.reply(1500, 2, unknown()).len(), 2);
    assert_eq!(scene.release(1501), NOTHING);
    assert_eq!(scene.reply(1510, 3, RELEASED), ["ended"]);
    assert_eq!(scene.release(1520), NOTHING);
    assert_eq!(scene.abandon(1521), NOTHING);
}

#[test]
fn a_renewal_in_flight_answers_to_nobody_after_the_release() {
    let mut scene = Scene::holding();
    scene.run_until(2000);
    assert_eq!(scene.release(2010), ["release 7 #3 within 1000"]);
    assert_eq!(scene.reply(2020, 2, Ok(RunOutcome::Renewed)), NOTHING);
    assert_eq!(scene.reply(2030, 3, RELEASED), ["released", "ended"]);
}

#[test]
fn a_release_that_comes_with_the_step_down_deadline_is_of_a_lost_lease() {
    let mut scene = Scene::holding();
    assert_eq!(
        scene.release(4660),
        ["lost 7: expired", "released", "release 7 #2 within 1000"]
    );
}

#[test]
fn a_run_that_has_had_its_time_is_renewed_no_more_and_released_when_it_ends() {
    let mut scene = Scene::holding();
    scene.run_until(2000);
    assert_eq!(scene.act(|l| l.overrun()), NOTHING);
    assert_eq!(scene.wakes_at(), None, "neither renewed nor lost");
    assert_eq!(scene.reply(2010, 2, Ok(RunOutcome::Superseded)), NOTHING);
    assert_eq!(scene.stall(2020), NOTHING);
    assert_eq!(scene.act(|l| l.handle_expired()), NOTHING);
    assert_eq!(scene.release(2500), ["release 7 #3 within 1000"]);
    assert_eq!(scene.reply(2510, 3, RELEASED), ["released", "ended"]);
}

#[test]
fn a_run_that_ends_when_its_lease_has_run_out_is_not_kept_waiting_for_the_release() {
    let mut scene = Scene::holding();
    scene.act(|l| l.overrun());
    assert_eq!(
        scene.release(5860),
        ["release 7 #2 within 1000", "released"]
    );
    assert_eq!(
        scene.reply(6860, 2, unknown()),
        ["release 7 #3 within 1000"]
    );
    assert_eq!(scene.reply(6870, 3, RELEASED), ["ended"]);
}

#[test]
fn the_caller_of_a_release_waits_until_the_window_has_ended_at_most() {
    let mut scene = Scene::holding();
    scene.act(|l| l.overrun());
    scene.release(5500);
    assert_eq!(scene.run_until(60_000), ["5860: released", "11500: ended"]);
}

#[test]
fn a_loop_that_hangs_gives_its_lease_up_and_is_waited_for_all_the_same() {
    let mut scene = Scene::holding();
    assert_eq!(
        scene.stall(500),
        ["lost 7: stalled", "release 7 #2 within 1000"]
    );
    assert_eq!(
        scene.reply(510, 2, RELEASED),
        NOTHING,
        "the run may yet go on, and ask for its release"
    );
    assert_eq!(scene.wakes_at(), None);
    assert_eq!(scene.release(9000), ["released", "ended"]);
}

#[test]
fn a_run_that_notices_before_the_release_is_answered_waits_for_nothing() {
    let mut scene = Scene::holding();
    scene.stall(500);
    assert_eq!(scene.release(600), ["released"]);
    assert_eq!(scene.stall(601), NOTHING);
    assert_eq!(scene.reply(610, 2, RELEASED), ["ended"]);
}

#[test]
fn a_stalled_lease_whose_release_is_never_answered_is_waited_for_as_well() {
    let mut scene = Scene::holding();
    scene.stall(500);
    assert_eq!(scene.run_until(60_000), NOTHING);
    assert_eq!(scene.release(60_000), ["released", "ended"]);
}

/// Nobody waits for the release to be confirmed.
fn unawaited() -> Scene {
    let mut scene = Scene::asking_with(RunConfig {
        await_release: false,
        ..config()
    });
    scene.reply(10, 1, granted(7));
    scene.begin(10);
    assert_eq!(scene.release(500), ["release 7 #2 within 1000"]);
    scene
}

#[test]
fn a_release_that_nobody_waits_for_is_told_when_it_was_sent_and_ends_when_it_is_confirmed() {
    let mut scene = unawaited();
    assert_eq!(scene.sent(500, 2), ["released"]);
    assert_eq!(scene.reply(510, 2, RELEASED), ["ended"]);
    // It may be confirmed before anybody looks.
    let mut scene = unawaited();
    assert_eq!(scene.reply(510, 2, RELEASED), ["released", "ended"]);
    assert_eq!(scene.sent(510, 2), NOTHING);
}

#[test]
fn a_release_that_cannot_be_sent_is_waited_for_until_the_window_has_ended() {
    let mut scene = unawaited();
    scene.reply(1500, 2, unknown());
    let mut scene = unawaited();
    assert_eq!(scene.run_until(5860).first().unwrap(), "5860: released");
}

#[test]
fn where_a_release_is_waited_for_its_sending_says_nothing() {
    let mut scene = Scene::holding();
    scene.release(500);
    assert_eq!(scene.sent(500, 2), NOTHING);
}

#[test]
fn a_release_that_may_be_lost_is_sent_again_before_its_pause_where_its_process_asks_for_the_lease()
{
    for failure in [unknown(), refused()] {
        let mut scene = unawaited();
        scene.sent(500, 2);
        assert_eq!(scene.hasten(505), NOTHING, "it is on its way");
        assert_eq!(scene.reply(510, 2, failure), NOTHING);
        assert_eq!(scene.hasten(511), ["release 7 #3 within 1000"]);
        assert_eq!(scene.hasten(512), NOTHING);
        assert_eq!(scene.reply(520, 3, RELEASED), ["ended"]);
    }
}
