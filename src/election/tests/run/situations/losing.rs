use super::scene::*;
use crate::election::run::RunOutcome;

#[test]
fn a_holder_steps_down_at_the_deadline_when_the_store_is_silent() {
    let mut scene = Scene::holding();
    scene.run_until(2000);
    assert_eq!(scene.reply(3000, 2, unknown()), ["renew 7 #3 within 1000"]);
    assert_eq!(scene.reply(4000, 3, unknown()), ["renew 7 #4 within 660"]);
    assert_eq!(
        scene.run_until(60_000),
        ["4660: lost 7: store-lost"],
        "neither earlier nor later, and nothing follows"
    );
}

#[test]
fn a_holder_steps_down_in_time_when_the_store_only_errs() {
    let mut scene = Scene::holding();
    let mut lines = Vec::new();
    let mut answered = 1;
    for now in 2000..6000 {
        lines.extend(scene.run_until(now));
        let sent = 1 + lines.iter().filter(|line| line.contains("renew")).count() as u64;
        if now % 10 == 0 && answered < sent {
            answered = sent;
            lines.extend(scene.reply(now, sent, refused()));
        }
    }
    let lost: Vec<_> = lines
        .iter()
        .filter(|line| !line.contains("renew"))
        .collect();
    assert_eq!(lost, ["4660: lost 7: store-lost"]);
}

#[test]
fn a_holder_that_was_frozen_past_its_deadline_is_expired() {
    let mut scene = Scene::holding();
    assert_eq!(scene.timeout(9000), ["lost 7: expired"]);
}

#[test]
fn a_holder_that_was_frozen_with_a_renewal_in_flight_is_expired() {
    let mut scene = Scene::holding();
    scene.run_until(2000);
    assert_eq!(
        scene.reply(4660, 2, Ok(RunOutcome::Renewed)),
        ["lost 7: expired"],
        "no command had failed, and the reply revives nothing"
    );
}

#[test]
fn a_reply_just_before_the_deadline_is_in_time() {
    let mut scene = Scene::holding();
    scene.run_until(2000);
    assert_eq!(
        scene.reply(4659, 2, Ok(RunOutcome::Renewed)),
        ["extended until 6660"]
    );
    assert_eq!(scene.wakes_at(), Some(4000), "the next one is overdue");
}

#[test]
fn a_lease_that_was_seen_to_be_over_is_lost_at_once() {
    let mut scene = Scene::holding();
    scene.run_until(2000);
    assert_eq!(scene.act(|l| l.handle_expired()), ["lost 7: expired"]);
    assert_eq!(scene.reply(2010, 2, Ok(RunOutcome::Renewed)), NOTHING);
    assert_eq!(scene.act(|l| l.handle_expired()), NOTHING);
    assert_eq!(scene.wakes_at(), None);
}

#[test]
fn a_renewal_that_finds_another_is_superseded() {
    let mut scene = Scene::holding();
    scene.run_until(2000);
    assert_eq!(
        scene.reply(2010, 2, Ok(RunOutcome::Superseded)),
        ["lost 7: superseded"]
    );
    assert_eq!(scene.wakes_at(), None);
    assert_eq!(
        scene.release(2020),
        ["released", "ended"],
        "there is nothing to release"
    );
}

#[test]
fn a_renewal_that_finds_no_key_is_lost_to_the_store() {
    let mut scene = Scene::holding();
    scene.run_until(2000);
    assert_eq!(
        scene.reply(2010, 2, Ok(RunOutcome::Gone)),
        ["lost 7: store-lost"]
    );
    assert_eq!(scene.release(2020), ["released", "ended"]);
}

#[test]
fn late_replies_revive_nothing() {
    let mut scene = Scene::holding();
    scene.run_until(2000);
    scene.reply(3000, 2, unknown());
    scene.run_until(4660);
    for id in 1..=3 {
        assert_eq!(scene.reply(4700, id, Ok(RunOutcome::Renewed)), NOTHING);
        assert_eq!(scene.reply(4700, id, granted(7)), NOTHING);
    }
}

#[test]
fn a_lease_that_was_lost_is_released_when_its_run_is_over_but_the_caller_waits_for_nothing() {
    let mut scene = Scene::holding();
    scene.run_until(4660);
    assert_eq!(
        scene.release(5000),
        ["released", "release 7 #3 within 1000"],
        "a renewal whose reply was lost may keep it"
    );
    assert_eq!(scene.reply(5010, 3, Ok(RunOutcome::NotMine)), ["ended"]);
}
