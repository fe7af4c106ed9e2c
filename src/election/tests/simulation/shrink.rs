//! Finds a smaller run that breaks the same rule.

use super::kind::Kind;
use super::plan::{Cut, Plan};
use super::rules::{Rule, Violation};
use super::trace::Trace;
use super::world;

/// Takes away candidates, kinds of faults and single faults for as long as the rule stays broken.
pub fn shrink(plan: &Plan, violation: &Violation, heard: &[Rule]) -> (Plan, Violation) {
    let mut smallest = (plan.clone(), violation.clone());
    loop {
        let before = smallest.0.cut.clone();
        for step in steps(&smallest.0, smallest.1.at) {
            let cut = step.applied_to(&smallest.0.cut);
            let plan = Plan::new(plan.seed, plan.family, cut);
            let run = world::run(&plan, heard, Trace::default());
            if let Some(found) = run.violation.filter(|found| found.rule == violation.rule) {
                smallest = (plan, found);
            }
        }
        if smallest.0.cut == before {
            return smallest;
        }
    }
}

/// One thing that is taken away.
enum Step {
    Candidates(usize),
    Without(Kind),
    Skip(usize),
    Until(u64),
}

impl Step {
    fn applied_to(&self, cut: &Cut) -> Cut {
        let mut cut = cut.clone();
        match *self {
            Step::Candidates(candidates) => {
                cut.candidates = Some(cut.candidates.map_or(candidates, |c| c.min(candidates)));
            }
            Step::Without(kind) => {
                cut.without.insert(kind);
            }
            Step::Skip(index) => {
                cut.skip.insert(index);
            }
            Step::Until(at) => cut.until = Some(at),
        }
        cut
    }
}

/// The coarse ones first.
fn steps(plan: &Plan, broken_at: u64) -> Vec<Step> {
    let occurs = |kind: &Kind| plan.intensity[*kind as usize] > 0;
    let candidates = (1..plan.ttls.len()).rev().map(Step::Candidates);
    let kinds = Kind::ALL.into_iter().filter(occurs).map(Step::Without);
    let before_it = plan.schedule.iter().filter(|fault| fault.at <= broken_at);
    let skipped = before_it.map(|fault| Step::Skip(fault.index));
    let until = (plan.cut.until != Some(broken_at)).then_some(Step::Until(broken_at));
    candidates
        .chain(kinds)
        .chain(skipped)
        .chain(until)
        .collect()
}
