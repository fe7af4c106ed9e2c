//! A simulation that cannot fail proves nothing: it finds each of these mistakes.

use super::family::Family;
use super::plan::{Cut, Plan};
use super::rules::Rule;
use super::search::Search;
use crate::election::planted::Planted;

/// A mistake, where to look for it, the one checker that listens, and how many seeds it gets.
///
/// The step-down margin hides some mistakes from R1, since a term ends before its window does: a
/// late reply that revives one, say. The checkers of R4 and R5 see those directly.
const MISTAKES: [(Planted, Family, Rule, u64); 41] = [
    (Planted::WindowFromReply, Family::Network, Rule::R5, 20),
    (Planted::WindowFromReply, Family::Network, Rule::R1, 300),
    (Planted::NoDriftMargins, Family::Network, Rule::R1, 300),
    (Planted::NoStepDownMargin, Family::Network, Rule::R4, 20),
    (Planted::SharedTimer, Family::Network, Rule::R4, 50),
    (Planted::SentAtOfLatest, Family::Network, Rule::R5, 200),
    (Planted::SentAtOfLatest, Family::Network, Rule::R1, 3_000),
    (Planted::RenewAnyIdentity, Family::Network, Rule::R8, 50),
    (Planted::ReleaseAnyIdentity, Family::Network, Rule::R8, 50),
    (Planted::ReleaseAnyIdentity, Family::Network, Rule::R1, 300),
    (
        Planted::ReleaseAnyIncarnation,
        Family::Rollback,
        Rule::R1,
        1_500,
    ),
    (Planted::TokenFromOne, Family::Loss, Rule::R2, 50),
    (Planted::ReassertBlindly, Family::Rollback, Rule::R8, 2_000),
    (
        Planted::LostReplyAnyIncarnation,
        Family::Rollback,
        Rule::R8,
        6_000,
    ),
    (Planted::NoSeq, Family::Network, Rule::R1, 300),
    (Planted::NoEpoch, Family::Loss, Rule::R1, 500),
    (Planted::NoIncarnation, Family::Rollback, Rule::R1, 100),
    (Planted::RunIdAlone, Family::Rollback, Rule::R1, 300),
    (Planted::WatchFromSend, Family::Network, Rule::R1, 2_000),
    (Planted::WatchOwnTtl, Family::MixedTtls, Rule::R1, 300),
    (Planted::IdentityPerProcess, Family::Network, Rule::R8, 500),
    (
        Planted::IdentityPerProcess,
        Family::Network,
        Rule::R1,
        1_500,
    ),
    (
        Planted::ResignForgetsAcquire,
        Family::Network,
        Rule::R7,
        1_500,
    ),
    (Planted::LateReplyRevives, Family::Network, Rule::R5, 500),
    (Planted::EpochFromCaller, Family::Loss, Rule::R1, 500),
    (
        Planted::ReassertAfterRelease,
        Family::Rollback,
        Rule::R8,
        6_000,
    ),
    (Planted::NonceIgnored, Family::Network, Rule::R1, 2_000),
    (Planted::NonceOfCommand, Family::Network, Rule::R1, 1_000),
    (
        Planted::FloorFromMessages,
        Family::Network,
        Rule::Liveness,
        100,
    ),
    (
        Planted::MessagesUnbounded,
        Family::Network,
        Rule::Messages,
        100,
    ),
    (
        Planted::UnreadableIsLost,
        Family::Network,
        Rule::Liveness,
        100,
    ),
    (Planted::ResignAwaitsRelease, Family::Network, Rule::R7, 300),
    (
        Planted::FailureForgetsOthers,
        Family::Network,
        Rule::R1,
        1_500,
    ),
    (
        Planted::UntoldLowerSeqIsOld,
        Family::UntoldRollback,
        Rule::Liveness,
        300,
    ),
    (
        Planted::UntoldReleasedAtOnce,
        Family::ReplidRollback,
        Rule::R1,
        100,
    ),
    (
        Planted::UntoldLostReplyGranted,
        Family::UntoldRollback,
        Rule::R2,
        3_000,
    ),
    (Planted::RankForbids, Family::Network, Rule::R6, 100),
    (Planted::RankDelaysUnbounded, Family::Network, Rule::R6, 100),
    (Planted::RequestOfAnyTerm, Family::Network, Rule::R4, 300),
    (Planted::RequestCounts, Family::Network, Rule::R8, 50),
    (Planted::LateAfterLost, Family::Network, Rule::R7, 50),
];

#[test]
fn every_planted_mistake_is_found() {
    let (table, missed) = look_for_all();
    println!("{table}");
    assert!(missed.is_empty(), "not found: {missed:#?}");
}

/// A line for each mistake, with the seed that shows it, and those that no seed shows.
pub fn look_for_all() -> (String, Vec<Planted>) {
    let mut lines = vec![line("planted mistake", "found by", "faults", "seed")];
    let mut missed = Vec::new();
    for (planted, family, rule, budget) in MISTAKES {
        let mut search = Search::of_seeds(0..budget);
        search.planted = Some(planted);
        search.heard = vec![rule];
        let found = search.run(|seed| Plan::new(seed, family, Cut::default()));
        let seed = match found.failures.first() {
            Some((seed, _)) => seed.to_string(),
            // Where a rule need not hold, the mistake breaks it more often.
            None if !family.asserts(rule) => {
                let with = found.statistics.breaches_of(rule);
                search.planted = None;
                let right = search.run(|seed| Plan::new(seed, family, Cut::default()));
                let without = right.statistics.breaches_of(rule);
                if with <= 2 * without {
                    missed.push(planted);
                }
                format!("{with}, not {without}")
            }
            None => {
                missed.push(planted);
                format!("none of {budget}")
            }
        };
        let rule = format!("{rule:?}");
        lines.push(line(&format!("{planted:?}"), &rule, &family.name(), &seed));
    }
    (lines.join("\n"), missed)
}

/// Of the table of planted mistakes.
pub(in crate::election::tests) fn line(
    planted: &str,
    rule: &str,
    family: &str,
    seed: &str,
) -> String {
    format!("{planted:<24}{rule:<10}{family:<12}{seed:>8}")
}

#[test]
fn every_mistake_that_can_be_planted_is_looked_for() {
    for planted in Planted::OF_ELECTIONS {
        assert!(
            MISTAKES.iter().any(|mistake| mistake.0 == planted),
            "{planted:?}"
        );
    }
}
