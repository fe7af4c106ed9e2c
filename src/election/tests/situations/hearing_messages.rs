//! What messages may cause, whoever sends them.

use super::scene::*;
use crate::election::{Change, Nonce, Outcome, Reason, Record, Token};

#[test]
fn a_watch_counts_from_the_message_that_a_reply_bears_out() {
    let mut scene = Scene::standby();
    scene.message(2000, Change::Renewed, held_by(OTHER, 5, 2));
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
    scene.message(20, Change::Renewed, forged);
    scene.run_until(3010);
    scene.reply(3020, 3, reply(Outcome::Refused, held_by(OTHER, 5, 2)));
    let until_ripe = scene.run_until(9159);
    assert!(
        until_ripe.iter().all(|line| !line.contains("watched")),
        "{until_ripe:?}"
    );
}

#[test]
fn a_record_of_another_run_is_watched_from_the_reply_that_shows_it() {
    let mut scene = Scene::standby();
    let inherited = Record {
        same_run: false,
        ..held_by(OTHER, 5, 2)
    };
    scene.message(20, Change::Renewed, inherited.clone());
    scene.run_until(3010);
    scene.reply(3020, 3, reply(Outcome::Refused, inherited));
    let until_ripe = scene.run_until(9159);
    assert!(
        until_ripe.iter().all(|line| !line.contains("watched")),
        "{until_ripe:?}"
    );
}

#[test]
fn the_token_of_a_message_is_not_one_to_be_above() {
    let mut scene = Scene::standby();
    let forged = Record {
        token: Token::MAX,
        ..held_by(OTHER, 5, 2)
    };
    scene.message(20, Change::Renewed, forged);
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
        let heard = scene.message(10 + seq, Change::Released, released_by(OTHER, 5, seq));
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
fn a_flood_of_strange_records_makes_a_primary_renew_once_between_two_polls() {
    let mut scene = Scene::primary();
    let mut asked = Vec::new();
    for seq in 3..100 {
        asked.extend(scene.message(10 + seq, Change::Granted, held_by(OTHER, 9, seq)));
    }
    assert_eq!(asked, ["renew A 7 #2 within 1000"]);
}

#[test]
fn a_flood_of_lies_about_the_primary_is_told_four_times_between_two_polls() {
    let mut scene = Scene::standby();
    let mut told = Vec::new();
    for seq in 2..100 {
        told.extend(scene.message(10 + seq, Change::Granted, held_by(OTHER, 5 + seq, seq)));
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
fn a_message_from_the_past_changes_nothing() {
    let mut scene = Scene::standby();
    scene.run_until(3010);
    scene.reply(3020, 3, reply(Outcome::Refused, held_by(OTHER, 5, 7)));
    for seq in 0..=7 {
        let heard = scene.message(3030, Change::Released, released_by(OTHER, 5, seq));
        assert_eq!(heard, [""; 0]);
    }
}

#[test]
fn what_a_message_says_is_forgotten_where_nobody_campaigns() {
    let mut scene = Scene::primary();
    scene.act(|e| e.resign(at(20), Reason::Resigned));
    let heard = scene.message(30, Change::Granted, held_by(OTHER, 9, 5));
    assert_eq!(heard, [""; 0]);
}
