//! Overload, played: elections and crowds of runs over one connection to a store that answers so many
//! commands a second. The rules, the line, the pace and the doubt are the ones that ship; the socket, the
//! server and the clock are imaginary.

mod command;
mod owner;
mod plan;
mod server;
mod world;

use plan::Plan;
use world::{Broken, World};

use crate::election::planted::Planted;

const SEEDS: u64 = 400;
const STRAINED_SEEDS: u64 = 12;

/// Plays the seeds until one breaks a rule.
fn search(seeds: u64, plan: fn(u64) -> Plan, planted: Option<Planted>) -> Option<(u64, Broken)> {
    Planted::plant(planted);
    let found = (0..seeds).find_map(|seed| {
        let broken = World::new(plan(seed)).run().broken?;
        Some((seed, broken))
    });
    Planted::plant(None);
    found
}

#[test]
fn no_lease_is_lost_to_the_runs_beside_it() {
    let found = search(SEEDS, Plan::of_seed, None);
    assert!(
        found.is_none(),
        "{found:#?}\n{:#?}",
        found.as_ref().map(|(seed, _)| Plan::of_seed(*seed))
    );
}

#[test]
fn a_store_that_is_behind_with_renewals_costs_no_election() {
    let found = search(STRAINED_SEEDS, Plan::strained, None);
    assert!(
        found.is_none(),
        "{found:#?}\n{:#?}",
        found.as_ref().map(|(seed, _)| Plan::strained(*seed))
    );
}

/// What is searched for has to come about.
#[test]
fn crowds_are_served_and_refused_and_connections_come_to_their_end() {
    let (mut granted, mut refused, mut renewed, mut dropped) = (0, 0, 0, 0);
    for seed in 0..SEEDS {
        let told = World::new(Plan::of_seed(seed)).run();
        granted += told.granted;
        refused += told.refused;
        renewed += told.renewed;
        dropped += told.dropped;
    }
    println!("{granted} granted, {refused} refused, {renewed} renewed, {dropped} dropped");
    assert!([granted, refused, renewed].iter().all(|told| *told > 1_000));
    assert!(dropped > 0);
}

#[test]
fn every_mistake_of_the_engine_is_found() {
    for planted in Planted::OF_OVERLOAD {
        let plan = match planted {
            Planted::LateIsAskedAgain | Planted::AsOftenWhenBehind => Plan::strained,
            _ => Plan::of_seed,
        };
        let found = search(SEEDS, plan, Some(planted));
        println!("{planted:?}: {found:?}");
        assert!(found.is_some(), "{planted:?}");
    }
}
