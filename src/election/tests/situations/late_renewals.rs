//! A renewal that is due every 2 s is late 3.33 s after the send of the last confirmed one: halfway to the step-down
//! deadline at 4.66 s.

use super::scene::*;
use crate::election::{Outcome, Reason};

#[test]
fn a_renewal_is_late_halfway_from_when_it_is_due_to_the_step_down_deadline() {
    let mut scene = Scene::primary();
    let lines = scene.run_until(3329);
    assert!(lines.iter().all(|line| line.contains("renew")), "{lines:?}");
    let lines = scene.run_until(3330);
    assert_eq!(lines, ["3330: renewal of 7 is late, until 4660"]);
}

#[test]
fn a_renewal_that_is_confirmed_in_time_is_not_late() {
    let mut scene = Scene::primary();
    scene.run_until(2000);
    let me = scene.identity('A');
    scene.reply(2010, 2, reply(Outcome::Renewed, held_by(me, 7, 3)));
    assert_eq!(scene.run_until(3999), [""; 0]);
}

#[test]
fn a_late_renewal_that_is_confirmed_after_all_is_told() {
    let mut scene = Scene::primary();
    scene.run_until(3400);
    let me = scene.identity('A');
    let told = scene.reply(3400, 2, reply(Outcome::Renewed, held_by(me, 7, 3)));
    assert_eq!(told, ["extended until 6660", "renewed 7"]);
    // From the send of the renewal that was confirmed.
    let lines = scene.run_until(5330);
    let late = lines.iter().filter(|line| line.contains("late"));
    assert_eq!(
        late.collect::<Vec<_>>(),
        ["5330: renewal of 7 is late, until 6660"]
    );
}

#[test]
fn a_renewal_that_stays_away_is_late_once_and_then_the_lease_is_lost() {
    let mut scene = Scene::primary();
    let lines = scene.run_until(9_000);
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("late") || line.contains("lost"))
        .collect();
    assert_eq!(
        told,
        [
            "3330: renewal of 7 is late, until 4660",
            "4660: lost 7: store-lost"
        ]
    );
}

#[test]
fn who_wakes_after_the_deadline_is_told_of_the_loss_alone() {
    let mut scene = Scene::primary();
    let told = scene.timeout(5_000);
    assert!(told[0].starts_with("lost 7"), "{told:?}");
    assert!(told.iter().all(|line| !line.contains("late")), "{told:?}");
}

#[test]
fn nothing_is_late_after_a_resign() {
    let mut scene = Scene::primary();
    scene.act(|e| e.resign(at(3_000), Reason::Resigned));
    let lines = scene.run_until(6_000);
    assert!(lines.iter().all(|line| !line.contains("late")), "{lines:?}");
}
