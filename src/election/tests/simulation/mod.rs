//! A cluster of real elections, an imaginary Redis and one virtual clock, all from one seed.
//!
//! Everything that the seed decides is in a [`plan::Plan`]; [`world::run`] lets it happen and asks
//! the checkers in [`rules`] after every step.

mod calm;
mod candidate;
pub(super) mod clock;
mod coverage;
pub(super) mod draw;
mod driving;
mod family;
mod faults;
mod forger;
mod kind;
mod leases;
mod network;
mod plan;
pub(super) mod planted;
mod queue;
mod redis;
mod rules;
mod search;
mod shrink;
mod sights;
mod simulate;
mod statistics;
mod trace;
mod untold;
mod users;
mod wishes;
mod world;

use plan::Plan;
use rules::Rule;
use search::Search;
use trace::Trace;

#[test]
fn ten_thousand_seeds_break_no_rule_and_leave_nothing_untried() {
    let found = Search::of_seeds(0..10_000).run(Plan::of_seed);
    println!("{}", simulate::report(&found.statistics, found.took));
    simulate::demand(&found, Plan::of_seed);
}

#[test]
fn one_seed_is_one_run() {
    for seed in 0..200 {
        let plan = Plan::of_seed(seed);
        let [once, again] = [(); 2].map(|()| world::run(&plan, &Rule::ALL, Trace::kept()).trace);
        assert!(once.len() > 10, "{}", once.join("\n"));
        assert_eq!(once, again, "seed {seed}");
    }
}

/// The name of a variant as the command line spells it.
fn kebab(camel: &str) -> String {
    let mut name = String::new();
    for letter in camel.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}
