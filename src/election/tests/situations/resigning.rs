use super::scene::*;
use crate::election::{Outcome, Reason, Record, Version, WriteKind};

#[test]
fn a_primary_that_resigns_releases_at_once_and_has_ended_when_that_is_answered() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    assert_eq!(
        scene.act(|e| e.resign(at(100), Reason::Resigned)),
        ["resigned 7: resigned", "release A to 1 #2 within 1000"]
    );
    assert_eq!(
        scene.reply(110, 2, reply(Outcome::Released, released_by(me, 7, 3))),
        ["ended"]
    );
    assert_eq!(scene.wakes_at(), None);
}

#[test]
fn nothing_is_told_after_a_resignation() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.run_until(2000);
    scene.act(|e| e.resign(at(2010), Reason::Exit));
    let late = scene.reply(2020, 2, reply(Outcome::Renewed, held_by(me, 7, 3)));
    assert_eq!(late, [] as [&str; 0]);
    assert_eq!(
        scene.message(2030, WriteKind::Granted, held_by(OTHER, 8, 5)),
        [] as [&str; 0]
    );
}

#[test]
fn a_release_that_is_never_answered_is_given_up_when_the_others_watch_has_ripened() {
    let mut scene = Scene::primary();
    scene.act(|e| e.resign(at(10), Reason::Exit));
    assert_eq!(scene.timeout(5860), ["unconfirmed"]);
    assert_eq!(
        scene.reply(11_859, 2, unknown()),
        ["release A to 1 #3 within 1000"]
    );
    assert_eq!(
        scene.reply(11_860, 3, unknown()),
        [] as [&str; 0],
        "after a pause, not again"
    );
    assert_eq!(scene.timeout(12_000), ["ended"]);
}

#[test]
fn a_release_without_an_answer_is_sent_again() {
    let mut scene = Scene::primary();
    scene.act(|e| e.resign(at(100), Reason::Resigned));
    assert_eq!(
        scene.reply(1100, 2, unknown()),
        ["release A to 1 #3 within 1000"]
    );
    assert_eq!(scene.reply(1110, 3, refused()), [] as [&str; 0]);
    let again = scene.run_until(1210);
    assert_eq!(again.len(), 1, "after a pause: {again:?}");
}

#[test]
fn a_release_that_finds_the_record_gone_writes_it_again_and_then_releases_it() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.act(|e| e.resign(at(100), Reason::Resigned));
    let run = |seq| Version {
        seq,
        epoch: 1,
        incarnation: "later".into(),
    };
    let before = Record {
        version: run(2),
        same_incarnation: false,
        ..held_by(me, 7, 2)
    };
    assert_eq!(
        scene.reply(110, 2, reply(Outcome::Stale, before)),
        ["renew A 7 over 2.1.later #3 within 1000"]
    );
    let mine = Record {
        version: run(3),
        ..held_by(me, 7, 3)
    };
    assert_eq!(
        scene.reply(120, 3, reply(Outcome::Renewed, mine)),
        ["release A to 1 #4 within 1000"]
    );
}

#[test]
fn a_release_that_may_have_let_somebody_in_writes_nothing_again() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.act(|e| e.resign(at(100), Reason::Resigned));
    // It was done, another was granted, and then a replica that lagged behind was promoted.
    assert_eq!(
        scene.reply(200, 2, unknown()),
        ["release A to 1 #3 within 1000"]
    );
    let rolled_back = Record {
        same_incarnation: false,
        ..held_by(me, 7, 2)
    };
    assert_eq!(
        scene.reply(210, 3, reply(Outcome::Stale, rolled_back)),
        ["ended"]
    );
}

#[test]
fn a_holder_whose_time_is_over_writes_nothing_again() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.act(|e| e.resign(at(4600), Reason::Resigned));
    let before = Record {
        same_incarnation: false,
        ..held_by(me, 7, 2)
    };
    assert_eq!(
        scene.reply(4660, 2, reply(Outcome::Stale, before)),
        ["ended"]
    );
}

#[test]
fn a_resign_with_an_acquire_in_flight_sends_the_release_behind_it() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    assert_eq!(
        scene.act(|e| e.resign(at(5), Reason::Exit)),
        [
            "resigned: exit",
            "answer: resigned",
            "release A to 0 #2 within 1000"
        ]
    );
    let me = scene.identity('A');
    let granted = reply(Outcome::Granted, held_by(me, 7, 1));
    assert_eq!(
        scene.reply(10, 1, granted),
        [] as [&str; 0],
        "its release is on the way"
    );
    assert_eq!(
        scene.reply(11, 2, reply(Outcome::Released, released_by(me, 7, 2))),
        ["ended"]
    );
}

#[test]
fn a_resign_overtaken_by_a_grant_gives_the_grant_back() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    let me = scene.identity('A');
    scene.act(|e| e.resign(at(5), Reason::Resigned));
    assert_eq!(
        scene.reply(10, 2, reply(Outcome::NotMine, created(0))),
        [] as [&str; 0],
        "the release overtook the acquire, which is waited for"
    );
    assert_eq!(
        scene.reply(20, 1, reply(Outcome::Granted, held_by(me, 7, 1))),
        ["release A to 0 #3 within 1000"]
    );
    assert_eq!(
        scene.reply(30, 3, reply(Outcome::Released, released_by(me, 7, 2))),
        ["ended"]
    );
}

#[test]
fn an_acquire_that_broke_with_its_connection_is_released_again_on_the_new_one() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    scene.act(|e| e.resign(at(5), Reason::Resigned));
    scene.reply(10, 2, reply(Outcome::NotMine, created(0)));
    assert_eq!(
        scene.reply(20, 1, unknown()),
        ["release A to 0 #3 within 1000"]
    );
}

#[test]
fn a_standby_whose_questions_are_all_answered_resigns_without_asking() {
    let mut scene = Scene::standby();
    scene.message(20, WriteKind::Renewed, held_by(OTHER, 5, 2));
    assert_eq!(
        scene.act(|e| e.resign(at(30), Reason::Resigned)),
        ["resigned: resigned", "ended"]
    );
}

#[test]
fn a_standby_with_an_acquire_lost_for_good_releases_in_case_it_was_granted() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    scene.reply(1000, 1, unknown());
    scene.reply(1010, 2, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    assert_eq!(
        scene.act(|e| e.resign(at(1020), Reason::Resigned)),
        [
            "resigned: resigned",
            "answer: resigned",
            "release A to 0 #3 within 1000"
        ]
    );
}

#[test]
fn a_grant_for_an_identity_given_up_is_released_when_a_message_tells_of_it() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.act(|e| e.resign(at(100), Reason::Resigned));
    scene.reply(110, 2, reply(Outcome::Released, released_by(me, 7, 3)));
    scene.act(|e| e.campaign(at(120)));
    scene.reply(130, 3, reply(Outcome::Refused, held_by(OTHER, 8, 4)));
    assert_eq!(
        scene.message(500, WriteKind::Granted, held_by(me, 9, 6)),
        ["no primary", "acquire B above 8 #4 within 1000"],
        "a late duplicate of its old acquire took what another released, if that is true"
    );
    assert_eq!(
        scene.reply(510, 4, reply(Outcome::Refused, held_by(me, 9, 6))),
        ["release A to 0 #5 within 1000"]
    );
}

#[test]
fn who_only_looks_on_releases_what_a_late_command_of_its_own_brought_back() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.act(|e| e.listen(at(10), false));
    scene.run_until(2000);
    let lost = reply(Outcome::Lost, created(3));
    assert_eq!(scene.reply(2010, 2, lost), ["lost 7: superseded"]);
    scene.run_until(4010);
    scene.reply(4020, 3, reply(Outcome::Seen, held_by(me, 7, 4)));
    assert_eq!(
        scene.run_until(5860),
        ["5860: release A to 0 #4 within 1000"],
        "when the window of its term has ended"
    );
}

#[test]
fn a_new_campaign_need_not_wait_for_the_old_ones_release() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.act(|e| e.resign(at(100), Reason::Resigned));
    assert_eq!(
        scene.act(|e| e.campaign(at(101))),
        ["acquire B above 7 #3 within 1000"]
    );
    assert_eq!(
        scene.reply(110, 2, reply(Outcome::Released, released_by(me, 7, 3))),
        ["ended"]
    );
    let again = scene.identity('B');
    assert_eq!(
        scene.reply(111, 3, reply(Outcome::Granted, held_by(again, 8, 4))),
        ["elected 8 until 4761", "answer: elected 8"]
    );
}

#[test]
fn a_resign_after_a_loss_releases_without_waiting_for_the_window() {
    let mut scene = Scene::primary();
    scene.timeout(4700);
    assert_eq!(
        scene.act(|e| e.resign(at(4710), Reason::Resigned)),
        ["resigned: resigned", "release A to 1 #2 within 1000"]
    );
}

#[test]
fn a_resign_without_a_campaign_has_ended_at_once() {
    let mut scene = Scene::new();
    assert_eq!(scene.act(|e| e.resign(at(0), Reason::Resigned)), ["ended"]);
}

#[test]
fn the_pauses_between_releases_that_are_refused_double() {
    let mut scene = Scene::primary();
    scene.act(|e| e.resign(at(100), Reason::Resigned));
    let mut now = 100;
    for (id, longest) in (2..).zip([50, 100, 200, 400]) {
        scene.reply(now, id, refused());
        let pause = scene.wakes_at().unwrap() - now as f64;
        let range = longest as f64 / 2.0..=longest as f64;
        assert!(range.contains(&pause), "{pause} of {longest}");
        now = scene.wakes_at().unwrap().ceil() as u64;
        scene.timeout(now);
    }
}

#[test]
fn a_record_that_is_lost_again_while_it_is_written_to_be_released_is_written_over_the_newer_one() {
    let mut scene = Scene::primary();
    scene.act(|e| e.resign(at(100), Reason::Resigned));
    scene.reply(110, 2, reply(Outcome::Stale, created(0)));
    assert_eq!(
        scene.reply(120, 3, reply(Outcome::Stale, created(1))),
        ["renew A 7 over 1.1.run #4 within 1000"]
    );
}

#[test]
fn an_acquire_of_an_ended_campaign_is_given_back_under_the_next_one() {
    for granted in [true, false] {
        let mut scene = Scene::new();
        scene.act(|e| e.campaign(at(0)));
        let old = scene.identity('A');
        scene.act(|e| e.resign(at(5), Reason::Resigned));
        scene.reply(10, 2, reply(Outcome::NotMine, created(0)));
        scene.act(|e| e.campaign(at(15)));
        let answer = match granted {
            true => reply(Outcome::Granted, held_by(old, 7, 1)),
            false => unknown(),
        };
        assert_eq!(
            scene.reply(20, 1, answer),
            ["release A to 0 #4 within 1000"],
            "granted: {granted}"
        );
    }
}

#[test]
fn an_acquire_of_an_ended_campaign_is_given_back_under_the_next_term() {
    for granted in [true, false] {
        let mut scene = Scene::new();
        scene.act(|e| e.campaign(at(0)));
        let old = scene.identity('A');
        scene.act(|e| e.resign(at(5), Reason::Resigned));
        scene.reply(10, 2, reply(Outcome::NotMine, created(0)));
        scene.act(|e| e.campaign(at(15)));
        let me = scene.identity('B');
        scene.reply(20, 3, reply(Outcome::Granted, held_by(me, 8, 1)));
        let answer = match granted {
            true => reply(Outcome::Granted, held_by(old, 7, 1)),
            false => unknown(),
        };
        assert_eq!(
            scene.reply(30, 1, answer),
            ["release A to 0 #4 within 1000"],
            "granted: {granted}"
        );
    }
}

#[test]
fn the_caller_of_a_resign_is_answered_when_the_window_has_ended_and_the_release_goes_on() {
    let mut scene = Scene::primary();
    assert_eq!(
        scene.act(|e| e.resign(at(100), Reason::Resigned)),
        ["resigned 7: resigned", "release A to 1 #2 within 1000"]
    );
    assert_eq!(scene.run_until(60_000), ["5860: unconfirmed"]);
    assert_eq!(
        scene.reply(6000, 2, unknown()),
        ["release A to 1 #3 within 1000"]
    );
    let me = scene.identity('A');
    assert_eq!(
        scene.reply(6010, 3, reply(Outcome::Released, released_by(me, 7, 3))),
        ["ended"]
    );
}

#[test]
fn a_release_that_is_answered_with_the_windows_end_is_confirmed() {
    let mut scene = Scene::primary();
    scene.act(|e| e.resign(at(100), Reason::Resigned));
    let me = scene.identity('A');
    let released = reply(Outcome::Released, released_by(me, 7, 3));
    assert_eq!(scene.reply(5860, 2, released), ["ended"]);
}

#[test]
fn the_caller_of_a_resign_after_a_loss_waits_for_the_window_of_the_lost_lease() {
    let mut scene = Scene::primary();
    scene.timeout(4700);
    scene.act(|e| e.resign(at(4710), Reason::Resigned));
    assert_eq!(scene.run_until(60_000), ["5860: unconfirmed"]);
}

#[test]
fn a_candidate_without_a_lease_waits_for_one_command_at_most() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    scene.act(|e| e.resign(at(5), Reason::Resigned));
    assert_eq!(scene.run_until(60_000), ["1005: unconfirmed"]);
    assert_eq!(
        scene.reply(1100, 1, unknown()),
        [] as [&str; 0],
        "a release of it is on its way already"
    );
}

#[test]
fn each_caller_of_a_resign_is_answered_once() {
    let mut scene = Scene::primary();
    scene.act(|e| e.resign(at(100), Reason::Resigned));
    scene.act(|e| e.campaign(at(200)));
    scene.act(|e| e.resign(at(300), Reason::Resigned));
    assert_eq!(
        scene.run_until(60_000),
        ["5860: unconfirmed", "5860: unconfirmed"]
    );
    scene.act(|e| e.resign(at(60_001), Reason::Resigned));
    assert_eq!(scene.run_until(70_000), ["61001: unconfirmed"]);
}

#[test]
fn a_second_resign_does_not_keep_an_earlier_caller_waiting() {
    let mut scene = Scene::primary();
    let first = scene.identity('A');
    scene.act(|e| e.resign(at(100), Reason::Resigned));
    scene.act(|e| e.campaign(at(200)));
    let second = scene.identity('B');
    scene.reply(210, 3, reply(Outcome::Granted, held_by(second, 8, 4)));
    scene.act(|e| e.resign(at(300), Reason::Resigned));
    assert_eq!(
        scene.run_until(60_000),
        ["5860: unconfirmed", "6060: unconfirmed"]
    );
    assert_eq!(
        scene.reply(6100, 2, reply(Outcome::NotMine, held_by(first, 8, 4))),
        [] as [&str; 0]
    );
}

#[test]
fn an_earlier_caller_whose_release_was_confirmed_waits_no_longer_than_a_later_one() {
    let mut scene = Scene::new();
    // An acquire that is never answered keeps all from having ended.
    scene.act(|e| e.campaign(at(0)));
    scene.act(|e| e.resign(at(5), Reason::Resigned));
    scene.reply(10, 2, reply(Outcome::NotMine, created(0)));
    scene.act(|e| e.campaign(at(15)));
    let me = scene.identity('B');
    scene.reply(20, 3, reply(Outcome::Granted, held_by(me, 7, 1)));
    scene.act(|e| e.resign(at(30), Reason::Resigned));
    scene.reply(40, 4, reply(Outcome::Released, released_by(me, 7, 2)));
    scene.act(|e| e.campaign(at(50)));
    scene.act(|e| e.resign(at(60), Reason::Resigned));
    assert_eq!(
        scene.run_until(5000),
        [
            "1005: unconfirmed",
            "1060: unconfirmed",
            "1060: unconfirmed"
        ]
    );
}
