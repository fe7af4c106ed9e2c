//! What elections lose on a server that does not tell its incarnation (`failoverUnsafe`).

use super::family::Family;
use super::plan::{Cut, Plan};
use super::planted::line;
use super::search::{Found, Search};
use super::simulate::fail;
use crate::election::planted::Planted;

/// The rules as they are, and without some of those that such a server needs.
pub const VARIANTS: [Option<Planted>; 4] = [
    None,
    Some(Planted::UntoldLowerSeqIsOld),
    Some(Planted::UntoldReleasedAtOnce),
    Some(Planted::UntoldLostReplyGranted),
];

/// What was found of each variant in each family.
pub struct Figures(Vec<(Option<Planted>, Family, Found)>);

/// Plays so many seeds of each.
pub fn figures(seeds: u64, variants: &[Option<Planted>]) -> Figures {
    let mut figures = Vec::new();
    for &planted in variants {
        for family in Family::UNTOLD {
            let mut search = Search::of_seeds(0..seeds);
            search.planted = planted;
            if planted.is_some() {
                // How often is asked here, not whether.
                search.heard.clear();
            }
            figures.push((planted, family, search.run(plan(family))));
        }
    }
    Figures(figures)
}

impl Figures {
    /// Seeds with two primaries.
    fn of(&self, planted: Option<Planted>, family: Family) -> usize {
        let found = self
            .0
            .iter()
            .find(|(p, f, _)| (*p, *f) == (planted, family));
        found.map_or(0, |(_, _, found)| found.statistics.overlaps.len())
    }

    pub fn table(&self) -> String {
        let mut lines = vec![
            "seeds with two primaries where the incarnation is not told, and for how many ttls at once:".into(),
            line("rules", "faults", "", "seeds") + "   median  longest",
        ];
        for (planted, family, found) in &self.0 {
            let mut overlaps = found.statistics.overlaps.clone();
            overlaps.sort_unstable();
            let ttls = |at: usize| overlaps.get(at).map_or(0.0, |o| *o as f64 / 1_000.0);
            let name = planted.map_or("as they are".into(), |planted| format!("{planted:?}"));
            let seeds = format!("{} of {}", overlaps.len(), found.statistics.runs);
            lines.push(format!(
                "{name:<24}{:<22}{seeds:>14}   {:>6.2}  {:>7.2}",
                family.name(),
                ttls(overlaps.len() / 2),
                ttls(overlaps.len().saturating_sub(1)),
            ));
        }
        lines.join("\n")
    }
}

fn plan(family: Family) -> impl Fn(u64) -> Plan {
    move |seed| Plan::new(seed, family, Cut::default())
}

#[test]
fn where_the_incarnation_is_not_told_only_lost_writes_make_two_primaries() {
    let figures = figures(300, &[None, Some(Planted::UntoldReleasedAtOnce)]);
    println!("{}", figures.table());
    for (planted, family, found) in &figures.0 {
        if let Some((seed, violation)) = found.failures.first().filter(|_| planted.is_none()) {
            fail(&plan(*family)(*seed), violation, &super::rules::Rule::ALL);
        }
    }
    for family in [Family::UntoldNetwork, Family::UntoldLoss] {
        assert_eq!(figures.of(None, family), 0, "{family:?}");
    }
    let rollback = Family::UntoldRollback;
    let lost = figures.of(None, rollback);
    assert!(lost > 0, "a search that finds nothing proves nothing");
    let at_once = figures.of(Some(Planted::UntoldReleasedAtOnce), rollback);
    assert!(
        at_once > 2 * lost,
        "{at_once} with that mistake, {lost} without"
    );
}
