//! Who goes first, where several stand.

use std::time::Duration;

use super::scene::*;
use crate::election::{Command, Config, Outcome, Output, Rank, Ranks, Record, WriteKind};

fn ranks(text: &str, record: Record) -> Record {
    Record {
        ranks: Ranks::parse(text),
        ..record
    }
}

/// As [`Scene::standby`], where the record shows these ranks. This candidate's is 1000.
fn standby_among(text: &str) -> Scene {
    let mut scene = Scene::standby();
    scene.run_until(3010);
    let record = ranks(text, held_by(OTHER, 5, 1));
    scene.reply(3010, 3, reply(Outcome::Refused, record));
    scene
}

#[test]
fn who_has_heard_of_a_higher_rank_takes_a_released_record_30_ms_later() {
    let mut scene = standby_among("1001,1000");
    let released = ranks("1001,1000", released_by(OTHER, 5, 2));
    let heard = scene.message(3100, WriteKind::Released, released);
    assert_eq!(heard, ["no primary"]);
    let lines = scene.run_until(3130);
    assert_eq!(lines, ["3130: acquire A above 5 #4 within 1000"]);
}

#[test]
fn however_many_ranks_are_higher_it_waits_for_40_ms_at_most() {
    let all = "1004,1003,1002,1001";
    let mut scene = standby_among(all);
    let released = ranks(all, released_by(OTHER, 5, 2));
    scene.message(3100, WriteKind::Released, released);
    assert_eq!(scene.wakes_at(), Some(3140.0));
}

#[test]
fn the_highest_waits_for_nobody() {
    let mut scene = standby_among("1000,0999");
    let released = ranks("1000,0999", released_by(OTHER, 5, 2));
    let heard = scene.message(3100, WriteKind::Released, released);
    assert_eq!(heard, ["no primary", "acquire A above 5 #4 within 1000"]);
}

#[test]
fn the_release_itself_tells_who_stands_by() {
    let mut scene = Scene::standby();
    let released = ranks("1001", released_by(OTHER, 5, 2));
    assert_eq!(
        scene.message(500, WriteKind::Released, released),
        ["no primary"]
    );
    assert_eq!(scene.wakes_at(), Some(530.0));
}

#[test]
fn who_is_higher_and_gone_delays_a_takeover_by_30_ms_and_forbids_none() {
    let mut scene = standby_among("1001");
    // Watched since 10 ms, and ripe 6140 ms later.
    scene.run_until(6010);
    scene.reply(
        6010,
        4,
        reply(Outcome::Refused, ranks("1001", held_by(OTHER, 5, 1))),
    );
    assert_eq!(scene.run_until(6179), [""; 0]);
    assert_eq!(
        scene.run_until(6180),
        ["6180: acquire A above 5 watched 1.1.run #5 within 1000"]
    );
}

#[test]
fn who_hears_that_the_higher_one_was_faster_does_not_ask() {
    let mut scene = standby_among("1001");
    let released = ranks("1001", released_by(OTHER, 5, 2));
    scene.message(3100, WriteKind::Released, released);
    scene.message(3102, WriteKind::Granted, held_by(OTHER, 6, 3));
    assert_eq!(scene.run_until(3200), [""; 0]);
}

#[test]
fn a_standby_enters_the_roster_once_in_a_poll_interval() {
    let mut config = Config::new(Duration::from_secs(6));
    config.rank = Rank::new(3, "").unwrap();
    let mut scene = Scene::with(config);
    let mut signs = |verb: &mut dyn FnMut(&mut crate::election::Election)| {
        verb(&mut scene.election);
        let mut signed = Vec::new();
        while let Some(output) = scene.election.poll_output() {
            if let Output::Send(request) = output {
                let Command::Acquire { rank, .. } = &request.command else {
                    panic!("{request:?}");
                };
                signed.push((request.clone(), rank.clone().map(|rank| rank.to_string())));
            }
        }
        signed
    };
    signs(&mut |e| e.listen(at(0), true));
    let first = signs(&mut |e| e.campaign(at(0)));
    assert_eq!(first[0].1.as_deref(), Some("1003"));
    let record = held_by(OTHER, 5, 1);
    let refused = |e: &mut crate::election::Election| {
        let answer = reply(Outcome::Refused, record.clone());
        e.handle_reply(at(10), first[0].0.clone(), answer);
    };
    signs(&mut { refused });
    // A release makes it ask out of turn.
    let asked = signs(&mut |e| {
        let message = crate::election::Message {
            change: WriteKind::Released,
            record: released_by(OTHER, 5, 2),
            listeners: 1,
        };
        e.handle_message(at(100), message);
    });
    assert_eq!(asked[0].1, None);
    let again = signs(&mut |e| {
        let answer = reply(Outcome::Refused, held_by(OTHER, 6, 3));
        e.handle_reply(at(110), asked[0].0.clone(), answer);
        e.handle_timeout(at(4000));
    });
    assert_eq!(again[0].1.as_deref(), Some("1003"));
}
