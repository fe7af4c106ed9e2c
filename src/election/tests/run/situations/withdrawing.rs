//! What nobody heard the answer of, or nobody wants any more, is taken back.

use super::scene::*;
use crate::election::run::RunOutcome;

#[test]
fn a_store_that_does_not_answer_is_given_up_with_a_withdrawal_behind_the_acquire() {
    let mut scene = Scene::asking_for_tick();
    assert_eq!(
        scene.reply(1000, 1, unknown()),
        ["acquire for tick 5000 #2 within 1000"]
    );
    assert_eq!(
        scene.reply(2000, 2, unknown()),
        ["acquire for tick 5000 #3 within 1000"]
    );
    assert_eq!(
        scene.run_until(3000),
        [
            "3000: refused: unavailable: timed out",
            "3000: withdraw for tick 5000 #4 within 1000"
        ]
    );
    assert_eq!(scene.reply(3005, 3, granted(7)), NOTHING, "nobody waits");
    assert_eq!(scene.reply(3010, 4, Ok(RunOutcome::Released)), ["ended"]);
}

#[test]
fn a_withdrawal_without_an_answer_is_sent_again_until_the_lease_has_run_out() {
    let mut scene = Scene::asking();
    assert_eq!(
        scene.run_until(3000),
        [
            "3000: refused: unavailable: no answer from the store",
            "3000: withdraw #2 within 1000"
        ]
    );
    assert_eq!(scene.reply(4000, 2, unknown()), ["withdraw #3 within 1000"]);
    assert_eq!(scene.reply(4010, 3, refused()), NOTHING);
    assert_eq!(scene.timeout(4100), ["withdraw #4 within 1000"]);
    assert_eq!(scene.run_until(60_000), ["9000: ended"]);
}

#[test]
fn an_acquire_of_unknown_outcome_is_taken_back_where_another_holds_the_lease_by_now() {
    let mut scene = Scene::asking();
    scene.reply(1000, 1, unknown());
    assert_eq!(
        scene.reply(1010, 2, held_for(4000)),
        ["refused: held", "withdraw #3 within 1000"],
        "the first may be on its way yet, over the old connection"
    );
}

#[test]
fn an_acquire_of_unknown_outcome_is_taken_back_where_another_has_the_tick_by_now() {
    let mut scene = Scene::asking_for_tick();
    scene.reply(1000, 1, unknown());
    assert_eq!(
        scene.reply(1010, 2, Ok(RunOutcome::Ran)),
        ["refused: ran", "withdraw for tick 5000 #3 within 1000"]
    );
}

#[test]
fn a_late_grant_that_is_not_confirmed_is_taken_back() {
    let mut scene = Scene::asking_with(crate::election::run::RunConfig {
        acquire_timeout: millis(5000),
        ..config()
    });
    assert_eq!(scene.reply(4660, 1, granted(7)), ["acquire #2 within 340"]);
    assert_eq!(scene.reply(4670, 2, refused()), NOTHING);
    let lines = scene.abandon(4671);
    assert_eq!(lines, ["refused: abandoned", "withdraw #3 within 1000"]);
}

#[test]
fn one_who_gives_up_before_asking_ends_at_once() {
    let mut scene = Scene::with(config());
    assert_eq!(scene.abandon(0), ["refused: abandoned", "ended"]);
    assert_eq!(scene.act(|l| l.acquire(at(1))), NOTHING);
    let mut scene = Scene::with(config());
    assert_eq!(scene.release(0), ["refused: abandoned", "ended"]);
}

#[test]
fn one_who_gives_up_while_asking_takes_the_acquire_back() {
    for give_up in [Scene::abandon, Scene::release] {
        let mut scene = Scene::asking_for_tick();
        assert_eq!(
            give_up(&mut scene, 100),
            [
                "refused: abandoned",
                "withdraw for tick 5000 #2 within 1000"
            ]
        );
        assert_eq!(scene.reply(110, 1, granted(7)), NOTHING);
        assert_eq!(give_up(&mut scene, 120), NOTHING);
        assert_eq!(scene.reply(130, 2, Ok(RunOutcome::Released)), ["ended"]);
        assert_eq!(give_up(&mut scene, 140), NOTHING);
    }
}

#[test]
fn one_who_gives_up_between_two_questions_that_were_refused_has_nothing_to_take_back() {
    let mut scene = Scene::asking();
    scene.reply(10, 1, refused());
    assert_eq!(scene.abandon(11), ["refused: abandoned", "ended"]);
}

#[test]
fn a_grant_that_nobody_wants_any_more_is_taken_back_with_its_tick() {
    let mut scene = Scene::asking_for_tick();
    scene.reply(10, 1, granted(7));
    assert_eq!(scene.abandon(20), ["withdraw for tick 5000 #2 within 1000"]);
    assert_eq!(
        scene.reply(30, 2, Ok(RunOutcome::Released)),
        ["released", "ended"]
    );
}

#[test]
fn a_grant_that_was_lost_before_its_run_began_gives_the_tick_back() {
    let mut scene = Scene::asking_for_tick();
    scene.reply(10, 1, granted(7));
    assert_eq!(
        scene.abandon(9000),
        [
            "lost 7: expired",
            "released",
            "withdraw for tick 5000 #2 within 1000"
        ]
    );
    assert_eq!(scene.reply(9010, 2, Ok(RunOutcome::NotMine)), ["ended"]);
}

#[test]
fn a_stalled_grant_whose_run_never_began_gives_the_tick_back() {
    let mut scene = Scene::asking_for_tick();
    scene.reply(10, 1, granted(7));
    scene.stall(500);
    assert_eq!(
        scene.abandon(510),
        ["released", "withdraw for tick 5000 #3 within 1000"]
    );
}

#[test]
fn a_store_that_refuses_the_caller_refuses_the_withdrawal_too() {
    let mut scene = Scene::asking();
    scene.reply(1000, 1, unknown());
    assert_eq!(
        scene.reply(1010, 2, denied()),
        ["refused: denied: NOPERM", "withdraw #3 within 1000"]
    );
    assert_eq!(scene.reply(1020, 3, denied()), ["ended"]);
}

#[test]
fn a_grant_that_ran_out_before_its_run_began_is_asked_for_again() {
    let mut scene = Scene::asking_for_tick();
    scene.reply(10, 1, granted(7));
    assert_eq!(
        scene.miss(9000),
        ["lost 7: expired", "acquire for tick 5000 #2 within 1000"]
    );
    assert_eq!(scene.reply(9010, 2, granted(8)), ["granted 8 until 13660"]);
    assert_eq!(scene.release(9020), ["release 8 #3 within 1000"]);
}

#[test]
fn a_grant_that_was_missed_and_is_anothers_by_now_is_refused_and_its_tick_given_back() {
    let mut scene = Scene::asking_for_tick();
    scene.reply(10, 1, granted(7));
    scene.miss(9000);
    assert_eq!(
        scene.reply(9010, 2, held_for(4000)),
        ["refused: held", "withdraw for tick 5000 #3 within 1000"]
    );
}

#[test]
fn a_grant_that_was_missed_is_not_asked_for_twice() {
    let mut scene = Scene::asking();
    assert_eq!(scene.miss(5), NOTHING, "nothing was granted");
    scene.reply(10, 1, granted(7));
    scene.miss(9000);
    assert_eq!(scene.miss(9001), NOTHING);
    scene.reply(9010, 2, granted(8));
    scene.release(9020);
    assert_eq!(scene.miss(9030), NOTHING, "its run is over");
}

#[test]
fn a_missed_grant_that_was_given_up_for_a_stall_is_refused() {
    let mut scene = Scene::asking_for_tick();
    scene.reply(10, 1, granted(7));
    scene.stall(500);
    assert_eq!(
        scene.miss(510),
        [
            "refused: unavailable: the event loop stood still",
            "withdraw for tick 5000 #3 within 1000"
        ]
    );
    assert_eq!(scene.reply(520, 3, Ok(RunOutcome::NotMine)), ["ended"]);
}

#[test]
fn a_missed_grant_whose_run_would_have_had_its_time_is_asked_for_again_too() {
    let mut scene = Scene::asking();
    scene.reply(10, 1, granted(7));
    scene.act(|l| l.overrun());
    assert_eq!(scene.miss(9000), ["acquire #2 within 1000"]);
    assert_eq!(scene.wakes_at(), Some(12_000));
}
