use super::scene::*;
use crate::election::run::{RunConfig, RunOutcome, Tick};

#[test]
fn a_lease_that_another_holds_is_asked_for_again_when_it_may_have_run_out() {
    let mut scene = Scene::waiting();
    assert_eq!(
        scene.wakes_at(),
        Some(4101),
        "Redis tells whole milliseconds"
    );
    assert_eq!(scene.timeout(4101), ["acquire #2 within 1000"]);
    assert_eq!(scene.reply(4110, 2, granted(9)), ["granted 9 until 8761"]);
}

#[test]
fn a_waiter_asks_at_once_when_it_hears_of_a_release() {
    let mut scene = Scene::waiting();
    assert_eq!(scene.message(500, 0), ["acquire #2 within 1000"]);
    assert_eq!(scene.reply(510, 2, granted(9)), ["granted 9 until 5160"]);
}

#[test]
fn a_waiter_asks_when_the_min_hold_of_what_was_released_is_over() {
    let mut scene = Scene::waiting();
    assert_eq!(scene.message(500, 300), NOTHING);
    assert_eq!(scene.run_until(800), ["800: acquire #2 within 1000"]);
}

#[test]
fn a_late_message_delays_no_waiter() {
    let mut scene = Scene::waiting();
    assert_eq!(scene.message(500, 8000), NOTHING);
    assert_eq!(scene.wakes_at(), Some(4101));
}

#[test]
fn a_release_that_is_heard_of_before_the_answer_is_asked_after_at_once() {
    let wait = millis(10_000);
    let mut scene = Scene::asking_with(RunConfig { wait, ..config() });
    assert_eq!(scene.message(50, 0), NOTHING, "the question is on its way");
    assert_eq!(scene.reply(60, 1, held_for(4000)), NOTHING);
    assert_eq!(
        scene.run_until(60),
        ["60: acquire #2 within 1000"],
        "the answer may be from before the release"
    );
    assert_eq!(scene.reply(70, 2, held_for(3990)), NOTHING);
    assert_eq!(scene.wakes_at(), Some(4061), "another has taken it");
}

#[test]
fn a_release_with_a_min_hold_that_is_heard_of_before_the_answer_is_asked_after_in_its_time() {
    let wait = millis(10_000);
    let mut scene = Scene::asking_with(RunConfig { wait, ..config() });
    scene.message(50, 300);
    scene.reply(60, 1, held_for(4000));
    assert_eq!(scene.wakes_at(), Some(350));
}

#[test]
fn a_wait_that_is_over_is_refused() {
    let mut scene = Scene::waiting();
    scene.timeout(4101);
    assert_eq!(scene.reply(4110, 2, held_for(6000)), NOTHING);
    assert_eq!(
        scene.run_until(20_000),
        ["10000: refused: held", "10000: ended"],
        "neither earlier nor later"
    );
}

#[test]
fn a_message_that_comes_with_the_end_of_the_wait_is_too_late() {
    let mut scene = Scene::waiting();
    scene.timeout(4101);
    scene.reply(4110, 2, held_for(6000));
    assert_eq!(scene.message(10_000, 0), ["refused: held", "ended"]);
    assert_eq!(scene.message(10_001, 0), NOTHING);
}

#[test]
fn an_answer_after_the_end_of_the_wait_is_the_last() {
    let mut scene = Scene::waiting();
    scene.timeout(4101);
    scene.reply(4110, 2, held_for(5880));
    assert_eq!(scene.timeout(9991), ["acquire #3 within 1000"]);
    assert_eq!(
        scene.reply(10_020, 3, held_for(100)),
        ["refused: held", "ended"]
    );
}

#[test]
fn a_store_that_falls_silent_is_given_up_even_where_the_wait_goes_on() {
    let mut scene = Scene::waiting();
    assert_eq!(scene.timeout(4101), ["acquire #2 within 1000"]);
    assert_eq!(scene.reply(5101, 2, unknown()), ["acquire #3 within 1000"]);
    assert_eq!(scene.reply(6101, 3, unknown()), ["acquire #4 within 1000"]);
    assert_eq!(
        scene.run_until(7101),
        [
            "7101: refused: unavailable: timed out",
            "7101: withdraw #5 within 1000"
        ],
        "three seconds after the first question without an answer"
    );
}

#[test]
fn a_tick_that_another_runs_meanwhile_is_not_waited_for() {
    let memory = millis(60_000);
    let mut scene = Scene::asking_with(RunConfig {
        wait: millis(10_000),
        tick: Some(Tick::at(1, memory)),
        ..config()
    });
    scene.reply(10, 1, held_for(100));
    assert_eq!(scene.message(50, 0), ["acquire for tick 1 #2 within 1000"]);
    assert_eq!(
        scene.reply(60, 2, Ok(RunOutcome::Ran)),
        ["refused: ran", "ended"]
    );
}

#[test]
fn a_waiter_that_gives_up_has_nothing_to_take_back() {
    let mut scene = Scene::waiting();
    assert_eq!(scene.abandon(200), ["refused: abandoned", "ended"]);
    assert_eq!(scene.wakes_at(), None);
}

#[test]
fn messages_make_a_waiter_ask_four_times_in_one_interval_and_once_at_its_end() {
    let mut scene = Scene::waiting();
    let mut asked = Vec::new();
    // A forger sends one each millisecond. The interval is 250 ms, a 24th of the ttl.
    for now in 1000..1500 {
        let mut lines = scene.message(now, 0);
        lines.extend(scene.timeout(now));
        if !lines.is_empty() {
            asked.push(now);
            let id = 1 + asked.len() as u64;
            assert_eq!(lines, [format!("acquire #{id} within 1000")]);
            scene.reply(now, id, held_for(3000));
        }
    }
    assert_eq!(asked, [1000, 1001, 1002, 1003, 1250, 1251, 1252, 1253]);
}

#[test]
fn messages_of_releases_to_come_are_bounded_with_the_others() {
    let mut scene = Scene::waiting();
    let mut asked = 0;
    for now in 1000..1250 {
        let mut lines = scene.message(now, 1);
        lines.extend(scene.timeout(now));
        if !lines.is_empty() {
            asked += 1;
            scene.reply(now, 1 + asked, held_for(3000));
        }
    }
    assert_eq!(asked, 4);
}
