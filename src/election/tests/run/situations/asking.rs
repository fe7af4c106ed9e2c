use super::scene::*;
use crate::election::run::{RunConfig, RunOutcome};

#[test]
fn a_lease_is_asked_for_and_granted_from_the_send() {
    let mut scene = Scene::with(config());
    assert_eq!(
        scene.act(|l| l.acquire(at(100))),
        ["acquire #1 within 1000"]
    );
    assert_eq!(scene.reply(150, 1, granted(7)), ["granted 7 until 4760"]);
    assert_eq!(scene.wakes_at(), Some(2100));
}

#[test]
fn a_lease_is_asked_for_once() {
    let mut scene = Scene::asking();
    assert_eq!(scene.act(|l| l.acquire(at(10))), NOTHING);
    scene.reply(20, 1, granted(7));
    assert_eq!(scene.act(|l| l.acquire(at(30))), NOTHING);
}

#[test]
fn a_lease_that_another_holds_is_refused_at_once_where_nobody_waits() {
    let mut scene = Scene::asking();
    assert_eq!(
        scene.reply(20, 1, held_for(4000)),
        ["refused: held", "ended"]
    );
    assert_eq!(scene.wakes_at(), None);
}

#[test]
fn a_tick_that_another_was_granted_has_run() {
    let mut scene = Scene::asking_for_tick();
    assert_eq!(
        scene.reply(20, 1, Ok(RunOutcome::Ran)),
        ["refused: ran", "ended"]
    );
}

#[test]
fn a_store_that_refuses_the_caller_ends_it() {
    let mut scene = Scene::asking();
    assert_eq!(
        scene.reply(20, 1, denied()),
        ["refused: denied: NOPERM", "ended"]
    );
}

#[test]
fn a_lost_reply_is_asked_for_again_and_the_window_runs_from_the_retrys_send() {
    let mut scene = Scene::asking();
    assert_eq!(scene.reply(1000, 1, unknown()), ["acquire #2 within 1000"]);
    assert_eq!(
        scene.reply(1010, 2, granted(7)),
        ["granted 7 until 5660"],
        "4660 from 1000"
    );
}

#[test]
fn the_late_reply_of_an_acquire_that_was_asked_again_counts_for_nothing() {
    let mut scene = Scene::asking();
    scene.reply(1000, 1, unknown());
    assert_eq!(scene.reply(1005, 1, granted(7)), NOTHING);
    assert_eq!(scene.reply(1006, 1, held_for(0)), NOTHING);
    assert_eq!(scene.reply(1010, 2, granted(7)), ["granted 7 until 5660"]);
}

#[test]
fn a_failure_that_comes_at_once_is_asked_again_after_a_pause_that_doubles() {
    let mut scene = Scene::asking();
    let mut pauses = Vec::new();
    let mut now = 0;
    for id in 1..5 {
        assert_eq!(scene.reply(now, id, unknown()), NOTHING, "no busy loop");
        let again = scene.lease.poll_timeout().unwrap();
        pauses.push(again.since(at(now)).as_millis());
        // In whole milliseconds, so that the next answer comes at its send.
        now = again.as_micros().div_ceil(1000);
        let bound = 1000.min(3000 - now);
        assert_eq!(
            scene.timeout(now),
            [format!("acquire #{} within {bound}", id + 1)]
        );
    }
    for (pause, nominal) in pauses.iter().zip([50, 100, 200, 400]) {
        assert!((nominal / 2..=nominal).contains(pause), "{pauses:?}");
    }
}

#[test]
fn an_error_of_the_server_is_asked_again_after_a_pause_from_the_send() {
    let mut scene = Scene::asking();
    assert_eq!(scene.reply(20, 1, refused()), NOTHING);
    let again = scene.lease.poll_timeout().unwrap();
    assert!(again >= at(25) && again <= at(50), "{again:?}");
    let mut late = Scene::asking();
    assert_eq!(
        late.reply(60, 1, refused()),
        ["acquire #2 within 1000"],
        "it has passed already"
    );
}

#[test]
fn a_store_that_only_errs_is_given_up_and_nothing_is_to_be_taken_back() {
    let mut scene = Scene::asking();
    let mut lines = Vec::new();
    let mut answered = 0;
    for now in 0..=3000 {
        lines.extend(scene.run_until(now));
        let sent = 1 + lines.iter().filter(|line| line.contains('#')).count() as u64;
        if sent > answered && now % 10 == 0 && now < 3000 {
            answered = sent;
            lines.extend(scene.reply(now, sent, refused()));
        }
    }
    let last: Vec<_> = lines
        .iter()
        .filter(|line| !line.contains("acquire"))
        .collect();
    assert_eq!(last, ["3000: refused: unavailable: LOADING", "3000: ended"]);
    assert!(lines.len() < 16, "{lines:#?}");
}

#[test]
fn a_grant_that_comes_after_its_own_step_down_deadline_is_asked_for_again() {
    let acquire_timeout = millis(20_000);
    let mut scene = Scene::asking_with(RunConfig {
        acquire_timeout,
        ..config()
    });
    assert_eq!(
        scene.reply(4660, 1, granted(7)),
        ["acquire #2 within 1000"],
        "it is not believed"
    );
    assert_eq!(scene.reply(4670, 2, granted(7)), ["granted 7 until 9320"]);
}

#[test]
fn a_grant_just_before_its_own_step_down_deadline_is_believed() {
    let acquire_timeout = millis(20_000);
    let mut scene = Scene::asking_with(RunConfig {
        acquire_timeout,
        ..config()
    });
    assert_eq!(scene.reply(4659, 1, granted(7)), ["granted 7 until 4660"]);
}

#[test]
fn an_answer_that_comes_with_the_end_of_the_acquire_timeout_is_too_late() {
    let mut scene = Scene::asking();
    assert_eq!(
        scene.reply(3000, 1, granted(7)),
        [
            "refused: unavailable: no answer from the store",
            "withdraw #2 within 1000"
        ]
    );
    assert_eq!(scene.reply(3010, 2, Ok(RunOutcome::Released)), ["ended"]);
}

#[test]
fn a_process_that_stood_still_beyond_the_acquire_timeout_asks_again() {
    let mut late = Scene::asking_for_tick();
    assert_eq!(
        late.timeout(3099),
        [
            "refused: unavailable: no answer from the store",
            "withdraw for tick 5000 #2 within 1000"
        ],
        "a timer is late by so much now and then"
    );
    let mut stood = Scene::asking_for_tick();
    assert_eq!(
        stood.timeout(3100),
        NOTHING,
        "to ask again would double the work of a process that is behind"
    );
    assert_eq!(
        stood.clone().reply(3100, 1, granted(7)),
        ["granted 7 until 4660"],
        "it lay unread"
    );
    assert_eq!(
        stood.reply(3100, 1, unknown()),
        ["acquire for tick 5000 #2 within 1000"],
        "it was lost"
    );
    assert_eq!(stood.reply(3110, 2, granted(8)), ["granted 8 until 7760"]);
}

#[test]
fn what_was_asked_before_a_standstill_is_taken_back_with_the_rest() {
    let mut scene = Scene::asking();
    assert_eq!(scene.reply(9000, 1, unknown()), ["acquire #2 within 1000"]);
    assert_eq!(
        scene.reply(9010, 2, held_for(4000)),
        ["refused: held", "withdraw #3 within 1000"]
    );
}

#[test]
fn a_store_that_does_not_answer_after_a_standstill_either_is_given_up() {
    let mut scene = Scene::asking();
    scene.timeout(9000);
    assert_eq!(
        scene.wakes_at(),
        Some(12_000),
        "it has all of its time again"
    );
    assert_eq!(
        scene.timeout(12_000),
        [
            "refused: unavailable: no answer from the store",
            "withdraw #2 within 1000"
        ]
    );
}

#[test]
fn the_window_runs_from_when_the_question_was_sent_where_the_store_was_behind() {
    let mut scene = Scene::asking();
    assert_eq!(
        scene.reply(2000, 1, granted_after(1500, 7)),
        ["granted 7 until 6160"],
        "4660 from 1500"
    );
    assert_eq!(scene.wakes_at(), Some(3500));
}

/// A crowd that is refused must not add to what the store has to do.
#[test]
fn a_question_that_could_not_be_sent_in_its_time_is_neither_asked_again_nor_taken_back() {
    let mut scene = Scene::asking();
    assert_eq!(
        scene.reply(2900, 1, refused()),
        ["refused: unavailable: LOADING", "ended"],
        "3000 less a sixteenth"
    );
    assert_eq!(scene.wakes_at(), None);
}
