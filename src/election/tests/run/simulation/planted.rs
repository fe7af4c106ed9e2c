//! A search that cannot fail proves nothing: it finds each of these mistakes.

use super::plan::Family;
use super::rules::Rule;
use super::search;
use crate::election::planted::Planted;
use crate::election::tests::simulation::planted::line;

/// A mistake, where to look for it, the one rule that is heard, and how many seeds it gets.
const MISTAKES: [(Planted, Family, Rule, u64); 26] = [
    (Planted::PendingCountsAsRun, Family::Deaf, Rule::Willing, 50),
    (
        Planted::PendingCountsAsRun,
        Family::Network,
        Rule::Willing,
        500,
    ),
    (
        Planted::WithdrawnAfterItBegan,
        Family::Network,
        Rule::Willing,
        500,
    ),
    (
        Planted::OneQuestionTakesAll,
        Family::Network,
        Rule::Liveness,
        500,
    ),
    (
        Planted::EveryMessageAsks,
        Family::Network,
        Rule::Liveness,
        10_000,
    ),
    (Planted::KeptForNobody, Family::Network, Rule::Willing, 100),
    (
        Planted::LostReleaseWaits,
        Family::Network,
        Rule::OwnRelease,
        1_000,
    ),
    (Planted::StoredTimeBelieved, Family::Steps, Rule::Kept, 500),
    (Planted::WindowFromReply, Family::Network, Rule::R4, 50),
    (Planted::WindowFromReply, Family::Network, Rule::R1, 3_000),
    (Planted::NoDriftMargins, Family::Network, Rule::R1, 3_000),
    (Planted::NoStepDownMargin, Family::Network, Rule::R4, 50),
    (Planted::LateReplyRevives, Family::Network, Rule::R5, 3_000),
    (Planted::LateGrantBelieved, Family::Network, Rule::R5, 8_000),
    (Planted::RenewAnyIdentity, Family::Network, Rule::R8, 1_000),
    (Planted::ReleaseAnyIdentity, Family::Network, Rule::R8, 500),
    (
        Planted::ReleaseAnyIdentity,
        Family::Network,
        Rule::R1,
        1_000,
    ),
    (
        Planted::WithdrawNotSent,
        Family::Network,
        Rule::Withdraw,
        100,
    ),
    (
        Planted::WithdrawKeepsTick,
        Family::Network,
        Rule::Withdraw,
        300,
    ),
    (
        Planted::WithdrawLeavesNoMark,
        Family::Network,
        Rule::Withdraw,
        1_000,
    ),
    (Planted::TickNotStored, Family::Network, Rule::Tick, 50),
    (
        Planted::TickRefusesItsTaker,
        Family::Network,
        Rule::Tick,
        100,
    ),
    (
        Planted::ReleasedGrantedAgain,
        Family::Network,
        Rule::R8,
        300,
    ),
    (Planted::MinHoldIgnored, Family::Network, Rule::MinHold, 100),
    (Planted::TokenForgotten, Family::Slew, Rule::R2, 3_000),
    (
        Planted::ReleaseAwaitsReply,
        Family::Network,
        Rule::Liveness,
        300,
    ),
];

#[test]
fn every_planted_mistake_is_found() {
    let (table, missed) = look_for_all();
    println!("{table}");
    assert!(missed.is_empty(), "not found: {missed:#?}");
}

/// A line for each mistake, with a seed that shows it, and those that no seed shows.
pub fn look_for_all() -> (String, Vec<Planted>) {
    let mut lines = vec![line("planted mistake", "found by", "faults", "seed")];
    let mut missed = Vec::new();
    for (planted, family, rule, budget) in MISTAKES {
        let found = search(0..budget, Some(planted), &[rule], |_| family);
        let seed = match found.failure {
            Some((seed, _)) => seed.to_string(),
            None => {
                missed.push(planted);
                format!("none of {budget}")
            }
        };
        let [planted, rule] = [format!("{planted:?}"), format!("{rule:?}")];
        let family = format!("{family:?}").to_lowercase();
        lines.push(line(&planted, &rule, &family, &seed));
    }
    (lines.join("\n"), missed)
}

#[test]
fn every_mistake_that_can_be_planted_is_looked_for() {
    for planted in Planted::OF_RUNS {
        assert!(
            MISTAKES.iter().any(|mistake| mistake.0 == planted),
            "{planted:?}"
        );
    }
}
