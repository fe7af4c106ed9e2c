use super::scene::*;
use crate::election::{Config, Outcome, Record, WriteKind};
use std::time::Duration;

#[test]
fn a_campaign_asks_at_once() {
    let mut scene = Scene::new();
    assert_eq!(
        scene.act(|e| e.campaign(at(0))),
        ["acquire A above 0 #1 within 1000"]
    );
}

#[test]
fn a_granted_acquire_elects_from_its_send_time() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(100)));
    let me = scene.identity('A');
    assert_eq!(
        scene.reply(900, 1, reply(Outcome::Granted, held_by(me, 7, 1))),
        ["elected 7 until 4760", "answer: elected 7"]
    );
    assert_eq!(
        scene.wakes_at(),
        Some(2100.0),
        "renews a third of the ttl after the send"
    );
}

#[test]
fn a_grant_that_arrives_after_its_step_down_deadline_is_given_back_and_asked_for_again() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    let me = scene.identity('A');
    assert_eq!(
        scene.reply(4660, 1, reply(Outcome::Granted, held_by(me, 7, 1))),
        [
            "release A to 0 #2 within 1000",
            "acquire B above 7 #3 within 1000"
        ]
    );
}

#[test]
fn a_missing_record_is_taken_when_the_watch_has_ripened_counted_from_the_receipt() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    assert_eq!(
        scene.reply(10, 1, reply(Outcome::Refused, created(0))),
        [] as [&str; 0]
    );
    let polls = scene.run_until(2010);
    assert_eq!(polls, ["2010: acquire A above 0 #2 within 1000"]);
    scene.reply(2020, 2, reply(Outcome::Refused, created(0)));
    assert_eq!(
        scene.run_until(4020),
        ["4020: acquire A above 0 #3 within 1000"]
    );
    scene.reply(4030, 3, reply(Outcome::Refused, created(0)));
    assert_eq!(scene.run_until(6029), [] as [&str; 0]);
    assert_eq!(
        scene.run_until(6030),
        ["6030: acquire A above 0 #4 within 1000"]
    );
    scene.reply(6040, 4, reply(Outcome::Refused, created(0)));
    assert_eq!(scene.run_until(6149), [] as [&str; 0]);
    assert_eq!(
        scene.run_until(6150),
        ["6150: acquire A above 0 watched 0.1.run #5 within 1000"],
        "6.14 s after the receipt at 10 ms, at that instant"
    );
}

#[test]
fn a_watch_that_ripens_while_a_poll_is_in_flight_is_used_as_soon_as_that_is_answered() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    scene.reply(10, 1, reply(Outcome::Refused, created(0)));
    scene.run_until(2010);
    scene.reply(2020, 2, reply(Outcome::Refused, created(0)));
    scene.run_until(4020);
    scene.reply(4030, 3, reply(Outcome::Refused, created(0)));
    assert_eq!(scene.run_until(6149).len(), 1, "the poll at 6030");
    assert_eq!(
        scene.run_until(6200),
        [] as [&str; 0],
        "ripe at 6150, but one is in flight"
    );
    assert_eq!(
        scene.reply(6210, 4, reply(Outcome::Refused, created(0))),
        ["acquire A above 0 watched 0.1.run #5 within 1000"]
    );
}

#[test]
fn a_record_whose_writer_has_a_longer_ttl_is_watched_for_that_long() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    let record = Record {
        ttl: Duration::from_secs(60),
        ..held_by(OTHER, 5, 1)
    };
    scene.reply(10, 1, reply(Outcome::Refused, record));
    assert!(
        scene
            .run_until(6200)
            .iter()
            .all(|line| !line.contains("watched"))
    );
}

#[test]
fn a_lost_acquire_reply_is_asked_for_again_and_the_term_runs_from_the_retry() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    let me = scene.identity('A');
    assert_eq!(
        scene.reply(1000, 1, unknown()),
        ["acquire A above 0 #2 within 1000"],
        "the same identity, at once: a whole bound has passed since the send"
    );
    assert_eq!(
        scene.reply(1100, 2, reply(Outcome::Granted, held_by(me, 7, 2))),
        ["elected 7 until 5660", "answer: elected 7"]
    );
}

#[test]
fn a_late_answer_to_the_first_acquire_lends_nothing_from_the_retry() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    let me = scene.identity('A');
    scene.reply(1000, 1, unknown());
    assert_eq!(
        scene.reply(1100, 1, reply(Outcome::Granted, held_by(me, 7, 1))),
        ["elected 7 until 4660", "answer: elected 7"],
        "from the send at 0, although the retry went out at 1000"
    );
    assert_eq!(
        scene.reply(1200, 2, reply(Outcome::Granted, held_by(me, 7, 2))),
        ["extended until 5660"]
    );
}

#[test]
fn a_renewal_of_another_seen_while_watching_answers_not_elected() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    assert_eq!(
        scene.reply(10, 1, reply(Outcome::Refused, held_by(OTHER, 5, 1))),
        ["primary is other with 5"],
        "a record alone is no answer: its holder may be dead"
    );
    assert_eq!(
        scene.message(1500, WriteKind::Renewed, held_by(OTHER, 5, 2)),
        ["acquire A above 5 #2 within 1000"],
        "a message alone is no answer either"
    );
    assert_eq!(
        scene.reply(1510, 2, reply(Outcome::Refused, held_by(OTHER, 5, 2))),
        ["answer: not elected"]
    );
}

#[test]
fn a_poll_that_shows_a_changed_record_answers_where_no_message_comes() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    scene.reply(10, 1, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    scene.run_until(2010);
    assert_eq!(
        scene.reply(2020, 2, reply(Outcome::Refused, held_by(OTHER, 5, 2))),
        ["answer: not elected"]
    );
}

#[test]
fn a_record_of_another_incarnation_is_no_answer() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    scene.reply(10, 1, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    scene.run_until(2010);
    let inherited = Record {
        same_incarnation: false,
        ..held_by(OTHER, 5, 2)
    };
    let shown = scene.reply(2020, 2, reply(Outcome::Refused, inherited));
    assert_eq!(shown, [""; 0], "its holder may be gone");
}

#[test]
fn a_record_that_is_only_created_anew_is_no_answer() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    scene.reply(10, 1, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    let anew = Record {
        version: version_of_another_epoch(),
        ..created(0)
    };
    assert_eq!(scene.message(500, WriteKind::Created, anew), ["no primary"]);
}

#[test]
fn another_that_wins_while_we_ask_answers_not_elected() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    scene.reply(10, 1, reply(Outcome::Refused, created(0)));
    assert_eq!(
        scene.message(20, WriteKind::Granted, held_by(OTHER, 5, 1)),
        [
            "primary is other with 5",
            "acquire A above 0 #2 within 1000"
        ]
    );
    assert_eq!(
        scene.reply(30, 2, reply(Outcome::Refused, held_by(OTHER, 5, 1))),
        ["answer: not elected"]
    );
}

#[test]
fn who_was_answered_and_does_not_listen_looks_on_and_is_told_so_once() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    scene.reply(10, 1, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    scene.message(20, WriteKind::Renewed, held_by(OTHER, 5, 2));
    scene.reply(20, 2, reply(Outcome::Refused, held_by(OTHER, 5, 2)));
    assert_eq!(
        scene.run_until(3020),
        [
            "3020: notice: nobody listens",
            "3020: inspect #3 within 1000"
        ]
    );
    scene.reply(3030, 3, reply(Outcome::Seen, held_by(OTHER, 5, 3)));
    assert_eq!(scene.run_until(5030), ["5030: inspect #4 within 1000"]);
    assert_eq!(
        scene.message(5040, WriteKind::Released, released_by(OTHER, 5, 4)),
        ["no primary"],
        "the place is free, and left alone"
    );
}

#[test]
fn who_begins_to_listen_stands_at_once_with_what_it_has_watched() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    scene.reply(10, 1, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    scene.message(20, WriteKind::Renewed, held_by(OTHER, 5, 2));
    scene.reply(30, 2, reply(Outcome::Refused, held_by(OTHER, 5, 2)));
    scene.run_until(3030);
    scene.reply(3040, 3, reply(Outcome::Seen, held_by(OTHER, 5, 2)));
    assert_eq!(
        scene.act(|e| e.listen(at(6160), true)),
        ["acquire B above 5 watched 2.1.run #4 within 1000"],
        "since the message"
    );
}

#[test]
fn who_stops_listening_stops_standing() {
    let mut scene = Scene::standby();
    scene.message(20, WriteKind::Renewed, held_by(OTHER, 5, 2));
    assert_eq!(scene.act(|e| e.listen(at(30), false)), [] as [&str; 0]);
    assert_eq!(
        scene.message(40, WriteKind::Released, released_by(OTHER, 5, 3)),
        ["no primary"],
        "nothing is asked for"
    );
}

#[test]
fn who_stops_listening_while_it_asks_takes_the_question_back() {
    let mut scene = Scene::standby();
    scene.message(20, WriteKind::Renewed, held_by(OTHER, 5, 2));
    scene.message(40, WriteKind::Released, released_by(OTHER, 5, 3));
    assert_eq!(
        scene.act(|e| e.listen(at(50), false)),
        ["release A to 0 #4 within 1000"],
        "its acquire is unanswered and may be granted"
    );
}

#[test]
fn a_second_call_of_a_primary_is_answered_at_once() {
    let mut scene = Scene::primary();
    assert_eq!(scene.act(|e| e.campaign(at(100))), ["answer: elected 7"]);
}

#[test]
fn a_new_call_after_an_answer_stands_again() {
    let mut scene = Scene::new();
    scene.act(|e| e.campaign(at(0)));
    scene.reply(10, 1, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    scene.message(20, WriteKind::Renewed, held_by(OTHER, 5, 2));
    scene.reply(20, 2, reply(Outcome::Refused, held_by(OTHER, 5, 2)));
    assert_eq!(
        scene.act(|e| e.campaign(at(30))),
        ["acquire B above 5 #3 within 1000"]
    );
}

#[test]
fn an_eager_start_is_asked_for_until_the_first_answer_only() {
    let config = Config {
        eager_start: true,
        ..Config::new(Duration::from_secs(6))
    };
    let mut scene = Scene::with(config);
    assert_eq!(
        scene.act(|e| e.campaign(at(0))),
        ["acquire A above 0 eager 6140 #1 within 1000"]
    );
    assert_eq!(
        scene.reply(1000, 1, unknown()),
        ["acquire A above 0 eager 6140 #2 within 1000"]
    );
    scene.reply(1010, 2, reply(Outcome::Refused, created(0)));
    assert_eq!(
        scene.run_until(3010),
        ["3010: acquire A above 0 #3 within 1000"]
    );
}

fn version_of_another_epoch() -> crate::election::Version {
    crate::election::Version {
        seq: 0,
        epoch: 2,
        incarnation: "run".into(),
    }
}

#[test]
fn who_looks_on_and_is_told_again_that_nobody_listens_goes_on_looking() {
    let mut scene = Scene::standby();
    scene.act(|e| e.listen(at(20), false));
    assert_eq!(scene.act(|e| e.listen(at(30), false)), [] as [&str; 0]);
}

#[test]
fn who_listens_already_goes_on_standing_when_more_listen() {
    let mut scene = Scene::standby();
    scene.act(|e| e.listen(at(20), true));
    assert_eq!(
        scene.message(40, WriteKind::Released, released_by(OTHER, 5, 2)),
        ["no primary", "acquire A above 5 #3 within 1000"]
    );
}

#[test]
fn who_waits_for_an_answer_stands_though_nobody_listens_any_more() {
    let mut scene = Scene::new();
    scene.act(|e| e.listen(at(0), true));
    scene.act(|e| e.campaign(at(0)));
    scene.act(|e| e.listen(at(1), false));
    let me = scene.identity('A');
    assert_eq!(
        scene.reply(10, 1, reply(Outcome::Granted, held_by(me, 7, 1))),
        ["elected 7 until 4660", "answer: elected 7"]
    );
}

#[test]
fn who_begins_to_listen_takes_over_when_what_it_has_watched_ripens() {
    let mut scene = Scene::standby();
    scene.act(|e| e.listen(at(20), false));
    assert_eq!(
        scene.act(|e| e.listen(at(4000), true)),
        ["acquire B above 5 #3 within 1000"]
    );
    scene.reply(4010, 3, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    assert_eq!(
        scene.run_until(6150),
        ["6150: acquire B above 5 watched 1.1.run #4 within 1000"]
    );
}
