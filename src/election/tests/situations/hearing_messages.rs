//! What messages may cause, whoever sends them.

use super::scene::*;
use crate::election::{Nonce, Outcome, Reason, Record, Token, WriteKind};

#[test]
fn a_watch_counts_from_the_message_that_a_reply_bears_out() {
    let mut scene = Scene::standby();
    scene.message(2000, WriteKind::Renewed, held_by(OTHER, 5, 2));
    scene.run_until(3010);
    scene.reply(3020, 3, reply(Outcome::Refused, held_by(OTHER, 5, 2)));
    assert_eq!(scene.run_until(6020).len(), 1, "a poll");
    scene.reply(6030, 4, reply(Outcome::Refused, held_by(OTHER, 5, 2)));
    assert_eq!(
        scene.run_until(8140),
        ["8140: acquire A above 5 watched 2.1.run #5 within 1000"]
    );
}

#[test]
fn a_message_that_announced_a_version_before_it_was_written_starts_no_watch() {
    let mut scene = Scene::standby();
    let forged = Record {
        nonce: Nonce::new(77),
        ..held_by(OTHER, 5, 2)
    };
    scene.message(20, WriteKind::Renewed, forged);
    assert_eq!(watched_from_3020_on(scene, held_by(OTHER, 5, 2)), WATCHED);
}

#[test]
fn a_nonce_that_was_announced_with_another_version_starts_no_watch() {
    let mut scene = Scene::standby();
    let forged = Record {
        nonce: Nonce::new(2),
        ..held_by(OTHER, 5, 3)
    };
    scene.message(20, WriteKind::Renewed, forged);
    assert_eq!(watched_from_3020_on(scene, held_by(OTHER, 5, 2)), WATCHED);
}

#[test]
fn a_record_of_another_incarnation_is_watched_from_the_reply_that_shows_it() {
    let mut scene = Scene::standby();
    let inherited = Record {
        same_incarnation: false,
        ..held_by(OTHER, 5, 2)
    };
    scene.message(20, WriteKind::Renewed, inherited.clone());
    assert_eq!(watched_from_3020_on(scene, inherited), WATCHED);
}

/// Answers the polls with this record, which the first shows at 3020 ms, until somebody takes it over.
fn watched_from_3020_on(mut scene: Scene, record: Record) -> Vec<String> {
    scene.run_until(3010);
    scene.reply(3020, 3, reply(Outcome::Refused, record.clone()));
    // Messages do not arrive, for all that it knows.
    for (poll, now) in [(4, 5020), (5, 7030)] {
        assert_eq!(scene.run_until(now).len(), 1, "a poll");
        scene.reply(now + 10, poll, reply(Outcome::Refused, record.clone()));
    }
    assert_eq!(scene.run_until(9040).len(), 1, "a poll");
    scene.reply(9050, 6, reply(Outcome::Refused, record));
    scene.run_until(9170)
}

const WATCHED: [&str; 1] = ["9160: acquire A above 5 watched 2.1.run #7 within 1000"];

#[test]
fn a_message_that_comes_while_a_poll_is_in_flight_counts_for_the_next() {
    let mut scene = Scene::standby();
    scene.run_until(3010);
    scene.message(3015, WriteKind::Renewed, held_by(OTHER, 5, 2));
    scene.reply(3020, 3, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    for (poll, now) in [(4, 6020), (5, 9030)] {
        assert_eq!(scene.run_until(now).len(), 1, "a poll");
        scene.reply(
            now + 10,
            poll,
            reply(Outcome::Refused, held_by(OTHER, 5, 2)),
        );
    }
    assert_eq!(
        scene.run_until(9160),
        ["9155: acquire A above 5 watched 2.1.run #6 within 1000"]
    );
}

#[test]
fn a_flood_that_is_too_much_to_remember_is_forgotten_with_the_next_poll() {
    let mut scene = Scene::standby();
    for seq in 10..4_106 {
        scene.message(20, WriteKind::Renewed, held_by(OTHER, 5, seq));
    }
    scene.message(30, WriteKind::Renewed, held_by(OTHER, 5, 2));
    scene.run_until(3010);
    scene.reply(3020, 3, reply(Outcome::Refused, held_by(OTHER, 5, 2)));
    // The message of version 2 was one too many: its watch began with the reply.
    scene.message(3030, WriteKind::Renewed, held_by(OTHER, 5, 3));
    assert_eq!(
        scene.run_until(5020).len(),
        1,
        "a poll, as without messages"
    );
    scene.reply(5030, 4, reply(Outcome::Refused, held_by(OTHER, 5, 3)));
    assert_eq!(scene.run_until(8030).len(), 1, "a poll");
    scene.reply(8040, 5, reply(Outcome::Refused, held_by(OTHER, 5, 3)));
    assert_eq!(
        scene.run_until(9170),
        ["9170: acquire A above 5 watched 3.1.run #6 within 1000"]
    );
}

#[test]
fn the_token_of_a_message_is_not_one_to_be_above() {
    let mut scene = Scene::standby();
    let forged = Record {
        token: Token::MAX,
        ..held_by(OTHER, 5, 2)
    };
    scene.message(20, WriteKind::Renewed, forged);
    assert_eq!(
        scene.run_until(3010),
        ["3010: acquire A above 5 #3 within 1000"]
    );
}

#[test]
fn a_flood_of_releases_is_asked_about_four_times_between_two_polls() {
    let mut scene = Scene::standby();
    let mut asked = 0;
    for seq in 2..100 {
        let heard = scene.message(10 + seq, WriteKind::Released, released_by(OTHER, 5, seq));
        if heard.iter().any(|line| line.starts_with("acquire")) {
            asked += 1;
            let unchanged = reply(Outcome::Refused, held_by(OTHER, 5, 1));
            scene.reply(10 + seq, 2 + asked, unchanged);
        }
    }
    assert_eq!(asked, 4);
    assert_eq!(scene.run_until(3100).len(), 1, "and polls go on");
}

#[test]
fn every_release_is_asked_about_however_many_there_are_between_two_polls() {
    let mut scene = Scene::standby();
    for vacancy in 0..10 {
        let (seq, now) = (2 + 2 * vacancy, 20 + 10 * vacancy);
        let released = released_by(OTHER, 5 + vacancy, seq);
        let heard = scene.message(now, WriteKind::Released, released);
        assert!(
            heard.iter().any(|line| line.starts_with("acquire")),
            "{vacancy}: {heard:?}"
        );
        // Another was faster.
        let taken = reply(Outcome::Refused, held_by(OTHER, 6 + vacancy, seq + 1));
        scene.reply(now + 5, 3 + vacancy, taken);
    }
}

#[test]
fn a_release_that_was_not_borne_out_counts_though_the_record_has_moved_on() {
    let mut scene = Scene::standby();
    let mut asked = 0;
    for seq in 2..20 {
        // Always one ahead of what the reply shows.
        let heard = scene.message(
            10 + seq,
            WriteKind::Released,
            released_by(OTHER, 5, seq + 1),
        );
        if heard.iter().any(|line| line.starts_with("acquire")) {
            let renewed = reply(Outcome::Refused, held_by(OTHER, 5, seq));
            scene.reply(10 + seq, 3 + asked, renewed);
            asked += 1;
        }
    }
    assert_eq!(asked, 4);
}

#[test]
fn a_flood_of_strange_records_makes_a_primary_ask_nothing() {
    let mut scene = Scene::primary();
    let mut asked = Vec::new();
    for seq in 3..100 {
        asked.extend(scene.message(10 + seq, WriteKind::Granted, held_by(OTHER, 9, seq)));
    }
    assert_eq!(asked, [""; 0]);
}

#[test]
fn a_flood_of_lies_about_the_primary_is_told_four_times_between_two_polls() {
    let mut scene = Scene::standby();
    let mut told = Vec::new();
    for seq in 2..100 {
        told.extend(scene.message(10 + seq, WriteKind::Granted, held_by(OTHER, 5 + seq, seq)));
    }
    assert_eq!(told.len(), 4, "{told:?}");
    scene.run_until(3010);
    assert_eq!(
        scene.reply(3020, 3, reply(Outcome::Refused, held_by(OTHER, 5, 1))),
        ["primary is other with 5"],
        "the next poll corrects it"
    );
}

#[test]
fn questions_about_releases_are_four_wherever_an_interval_begins() {
    let mut scene = Scene::standby();
    let mut asked = 0;
    for seq in 2..32 {
        let now = 100 * seq;
        let heard = scene.message(now, WriteKind::Released, released_by(OTHER, 5, seq));
        if heard.iter().any(|line| line.starts_with("acquire")) {
            asked += 1;
            let unchanged = reply(Outcome::Refused, held_by(OTHER, 5, 1));
            scene.reply(now, 2 + asked, unchanged);
        }
    }
    assert_eq!(asked, 4);
}

#[test]
fn a_release_that_is_told_again_and_again_counts_once() {
    let mut scene = Scene::standby();
    scene.run_until(3010);
    for now in 3011..3020 {
        scene.message(now, WriteKind::Released, released_by(OTHER, 5, 2));
    }
    scene.reply(3020, 3, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    scene.reply(3030, 4, reply(Outcome::Refused, held_by(OTHER, 6, 3)));
    let heard = scene.message(3040, WriteKind::Released, released_by(OTHER, 6, 4));
    assert_eq!(heard[1], "acquire A above 6 #5 within 1000");
}

#[test]
fn a_renewal_whose_message_comes_before_its_reply_makes_a_primary_ask_nothing() {
    let mut scene = Scene::primary();
    let me = scene.identity('A');
    scene.run_until(2000);
    scene.message(2005, WriteKind::Renewed, held_by(me, 7, 3));
    assert_eq!(
        scene.reply(2010, 2, reply(Outcome::Renewed, held_by(me, 7, 3))),
        ["extended until 6660"]
    );
}

#[test]
fn a_release_newer_than_what_a_poll_shows_is_still_asked_about() {
    let mut scene = Scene::standby();
    scene.run_until(3010);
    scene.message(3011, WriteKind::Released, released_by(OTHER, 5, 3));
    assert_eq!(
        scene.reply(3020, 3, reply(Outcome::Refused, held_by(OTHER, 5, 2))),
        ["acquire A above 5 #4 within 1000"]
    );
}

#[test]
fn a_release_older_than_what_a_poll_shows_is_asked_about_no_more() {
    for listeners in [1, 1000] {
        let mut scene = Scene::standby();
        scene.run_until(3010);
        let released = released_by(OTHER, 5, 2);
        scene.released_message(3011, WriteKind::Released, released, listeners);
        assert_eq!(
            scene.reply(3020, 3, reply(Outcome::Refused, held_by(OTHER, 6, 3))),
            ["primary is other with 6"]
        );
        assert_eq!(scene.run_until(3200), [""; 0]);
    }
}

#[test]
fn a_release_that_a_reply_belied_is_forgotten() {
    let mut scene = Scene::standby();
    scene.message(20, WriteKind::Released, released_by(OTHER, 5, 99));
    scene.reply(30, 3, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    scene.run_until(3030);
    scene.reply(3040, 4, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    // The watch ripens while a poll is in flight that shows a renewal.
    scene.run_until(6150);
    assert_eq!(
        scene.reply(6160, 5, reply(Outcome::Refused, held_by(OTHER, 5, 2))),
        [""; 0]
    );
}

#[test]
fn a_second_release_does_not_put_off_the_question_about_the_first() {
    let mut scene = Scene::standby();
    scene.released_message(20, WriteKind::Released, released_by(OTHER, 5, 2), 1000);
    let at = scene.wakes_at();
    assert!(at < Some(120.0), "{at:?}");
    for seq in 3..6 {
        scene.released_message(20, WriteKind::Released, released_by(OTHER, 5, seq), 1000);
        assert_eq!(scene.wakes_at(), at);
    }
}

#[test]
fn a_lie_older_than_what_a_poll_shows_is_corrected_by_that() {
    let mut scene = Scene::standby();
    scene.run_until(3010);
    scene.message(3011, WriteKind::Granted, held_by(OTHER, 99, 2));
    assert_eq!(
        scene.reply(3020, 3, reply(Outcome::Refused, held_by(OTHER, 5, 3))),
        ["primary is other with 5"]
    );
}

#[test]
fn a_message_before_the_first_answer_leaves_the_question_to_the_next() {
    let mut scene = Scene::new();
    scene.act(|e| e.listen(at(0), true));
    scene.act(|e| e.campaign(at(0)));
    scene.message(5, WriteKind::Renewed, held_by(OTHER, 5, 0));
    assert_eq!(
        scene.reply(10, 1, reply(Outcome::Refused, held_by(OTHER, 5, 0))),
        [""; 0]
    );
    assert_eq!(
        scene.message(20, WriteKind::Renewed, held_by(OTHER, 5, 1)),
        ["acquire A above 5 #2 within 1000"],
        "it may be the answer to the caller"
    );
}

#[test]
fn a_new_campaign_has_all_its_questions() {
    let mut scene = Scene::standby();
    for seq in 2..9 {
        scene.message(20, WriteKind::Released, released_by(OTHER, 5, seq));
        scene.reply(20, 3, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
    }
    scene.act(|e| e.resign(at(30), Reason::Resigned));
    let begun = scene.act(|e| e.campaign(at(40)));
    let id: u64 = begun
        .last()
        .unwrap()
        .split(['#', ' '])
        .rev()
        .nth(2)
        .unwrap()
        .parse()
        .unwrap();
    scene.reply(50, id, reply(Outcome::Refused, held_by(OTHER, 5, 10)));
    let heard = scene.message(60, WriteKind::Released, released_by(OTHER, 5, 11));
    assert!(
        heard.iter().any(|line| line.starts_with("acquire")),
        "{heard:?}"
    );
}

#[test]
fn a_message_from_the_past_changes_nothing() {
    let mut scene = Scene::standby();
    scene.run_until(3010);
    scene.reply(3020, 3, reply(Outcome::Refused, held_by(OTHER, 5, 7)));
    for seq in 0..=7 {
        let heard = scene.message(3030, WriteKind::Released, released_by(OTHER, 5, seq));
        assert_eq!(heard, [""; 0]);
    }
}

#[test]
fn what_a_message_says_is_forgotten_where_nobody_campaigns() {
    let mut scene = Scene::primary();
    scene.act(|e| e.resign(at(20), Reason::Resigned));
    let heard = scene.message(30, WriteKind::Granted, held_by(OTHER, 9, 5));
    assert_eq!(heard, [""; 0]);
}
