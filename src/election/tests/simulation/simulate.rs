//! `npm run simulate`: as many seeds as one likes, or one of them as a story.

use std::env;
use std::time::Duration;

use super::coverage::{holes, surprises};
use super::family::Family;
use super::kind::Kind;
use super::plan::{Cut, Plan};
use super::planted::look_for_all;
use super::rules::{Rule, Violation};
use super::search::{Found, Search};
use super::shrink::shrink;
use super::statistics::Statistics;
use super::trace::Trace;
use super::{untold, world};
use crate::election::planted::Planted;

/// Enough seeds for everything that should happen sometimes to have happened.
const ENOUGH_FOR_COVERAGE: u64 = 10_000;

#[test]
#[ignore = "npm run simulate"]
fn simulate() {
    let planted = option("PLANTED").map(|name| {
        let known = Planted::OF_ELECTIONS.into_iter();
        let found = known.clone().find(|planted| format!("{planted:?}") == name);
        found.unwrap_or_else(|| panic!("--planted is one of {:?}", Planted::OF_ELECTIONS))
    });
    Planted::plant(planted);
    match number("SEED") {
        Some(seed) if option("SEEDS").is_none() => tell(seed),
        from => {
            let from = from.unwrap_or(0);
            search(from, number("SEEDS").unwrap_or(10_000), planted);
            if planted.is_none() && family().is_none() {
                let (table, missed) = look_for_all();
                println!(
                    "{table}\n\n{}",
                    untold::figures(3_000, &untold::VARIANTS).table()
                );
                assert!(missed.is_empty(), "not found: {missed:?}");
            }
        }
    }
}

/// One seed, with its whole trace.
fn tell(seed: u64) {
    let plan = Plan::new(seed, family().unwrap_or(Family::of_seed(seed)), cut());
    let run = world::run(&plan, &Rule::ALL, Trace::kept());
    println!("{}", run.trace.join("\n"));
    match run.violation {
        Some(violation) => panic!("{:?} is broken: {}", violation.rule, violation.message),
        None => println!("seed {seed}, {}: no rule is broken", plan.family.name()),
    }
}

fn search(from: u64, seeds: u64, planted: Option<Planted>) {
    let only = family();
    let plan = move |seed| Plan::new(seed, only.unwrap_or(Family::of_seed(seed)), Cut::default());
    let mut search = Search::of_seeds(from..from + seeds);
    search.planted = planted;
    let found = search.run(plan);
    println!("{}", report(&found.statistics, found.took));
    if let Some((seed, violation)) = found.failures.first() {
        fail(&plan(*seed), violation, &search.heard);
    }
    if only.is_none() && seeds >= ENOUGH_FOR_COVERAGE {
        let holes = holes(&found.statistics);
        assert!(
            holes.is_empty(),
            "a hole in the search:\n{}",
            holes.join("\n")
        );
    }
}

/// Says how a run failed, in the smallest run that fails so.
pub fn fail(plan: &Plan, violation: &Violation, heard: &[Rule]) -> ! {
    let (smallest, broken) = shrink(plan, violation, heard);
    let run = world::run(&smallest, heard, Trace::kept());
    let from = run.trace.len().saturating_sub(LINES);
    panic!(
        "{:?} is broken by seed {}: {}\n\n{}\n\nthe whole of it: {}\nbefore it was cut down: {}\n",
        broken.rule,
        plan.seed,
        broken.message,
        run.trace[from..].join("\n"),
        smallest.command(),
        plan.command(),
    );
}

/// How much of a trace a failing test shows.
const LINES: usize = 150;

/// Every rule holds in every run, and everything happened that should.
pub fn demand(found: &Found, plan: impl Fn(u64) -> Plan) {
    if let Some((seed, violation)) = found.failures.first() {
        fail(&plan(*seed), violation, &Rule::ALL);
    }
    let mut wrong = holes(&found.statistics);
    wrong.extend(surprises(&found.statistics));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

pub fn report(statistics: &Statistics, took: Duration) -> String {
    let mut lines = vec![format!(
        "{} seeds in {:.1} s, {:.0} a second; {} steps; {} virtual hours",
        statistics.runs,
        took.as_secs_f64(),
        statistics.runs as f64 / took.as_secs_f64(),
        statistics.steps,
        statistics.virtual_micros / 3_600_000_000,
    )];
    lines.push("what happened:".into());
    for (name, count) in &statistics.counts {
        lines.push(format!("{count:>12}  {name}"));
    }
    lines.push("from one state to another:".into());
    for ((from, to), count) in &statistics.transitions {
        lines.push(format!("{count:>12}  {from} -> {to}"));
    }
    lines.push("broken where the assumptions were:".into());
    for ((family, rule), count) in &statistics.breaches {
        lines.push(format!("{count:>12}  {rule:?} in {family}"));
    }
    lines.extend(holes(statistics));
    lines.extend(surprises(statistics));
    lines.join("\n")
}

fn cut() -> Cut {
    let list = |name| option(name).unwrap_or_default();
    let names = list("WITHOUT");
    let without = names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| {
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
            kind.unwrap_or_else(|| panic!("no kind of fault is called {name}"))
        });
    let skip = list("SKIP");
    let skip = skip.split(',').filter_map(|index| index.parse().ok());
    Cut {
        candidates: number("CANDIDATES").map(|candidates| candidates as usize),
        without: without.collect(),
        skip: skip.collect(),
        until: number("UNTIL"),
    }
}

fn family() -> Option<Family> {
    option("FAMILY").map(|name| {
        let family = Family::all().find(|family| family.name() == name);
        family.unwrap_or_else(|| panic!("no family is called {name}"))
    })
}

fn number(name: &str) -> Option<u64> {
    let text = option(name)?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}: {text} is no number")),
    )
}

/// An option of the command, which passes them in the environment.
fn option(name: &str) -> Option<String> {
    env::var(format!("SIMULATE_{name}")).ok()
}
