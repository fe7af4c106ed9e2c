//! A small model of the protocol, explored exhaustively over the real [`Register`].
//!
//! The clients here are a page of code, not the real machine: what is proved is that the *protocol*
//! has no bad path that is as short as this, whatever is lost, late, repeated or rolled back. Time
//! goes in ticks: a window lasts 2 from the send, a watch is ripe after 3 from the receipt.

mod client;
mod state;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use state::State;

use crate::election::planted::Planted;

/// How often each fault may occur on one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Commands that are on their way while other things happen. The others are done and answered at
    /// once.
    pub slow: u8,
    pub crashes: u8,
    pub duplicates: u8,
    pub losses: u8,
    pub failovers: u8,
    pub resigns: u8,
}

/// What an exploration found.
#[derive(Debug)]
struct Explored {
    states: usize,
    depth: usize,
    /// The steps to a state that breaks a rule, and the rule.
    broken: Option<(Vec<String>, String)>,
}

/// How a state was reached first: from which, and by which of its steps. The way is walked again
/// where somebody asks for it, so that only the states of one depth are kept at a time.
struct Reached {
    from: u32,
    step: u16,
}

/// Breadth first, so that what is found is the shortest way to it.
fn explore(start: State, deepest: usize) -> Explored {
    let mut seen = HashSet::from([fingerprint(&start)]);
    let mut reached = vec![Reached { from: 0, step: 0 }];
    let mut level = vec![(0_u32, start.clone())];
    for depth in 0..deepest {
        let mut next_level = Vec::new();
        for (at, state) in level {
            for (step, (_, next)) in state.steps().into_iter().enumerate() {
                let how = Reached {
                    from: at,
                    step: step as u16,
                };
                match next {
                    Ok(next) => {
                        if seen.insert(fingerprint(&next)) {
                            // Nothing starts from the deepest: they need not be kept.
                            if depth + 1 < deepest {
                                next_level.push((reached.len() as u32, next));
                            }
                            reached.push(how);
                        }
                    }
                    Err(broken) => {
                        return Explored {
                            states: reached.len(),
                            depth,
                            broken: Some((way_to(&start, &reached, how), broken)),
                        };
                    }
                }
            }
        }
        level = next_level;
    }
    Explored {
        states: reached.len(),
        depth: deepest,
        broken: None,
    }
}

fn way_to(start: &State, reached: &[Reached], last: Reached) -> Vec<String> {
    let mut steps = vec![last.step];
    let mut at = last.from;
    while at > 0 {
        let Reached { from, step } = reached[at as usize];
        steps.push(step);
        at = from;
    }
    let mut state = start.clone();
    let mut way = Vec::new();
    for step in steps.into_iter().rev() {
        let (name, next) = state.steps().swap_remove(usize::from(step));
        way.push(name);
        if let Ok(next) = next {
            state = next;
        }
    }
    way
}

/// Two of 64 bits: among some millions of states none is mistaken for another.
fn fingerprint(state: &State) -> (u64, u64) {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    let first = hasher.finish();
    0x9e37_79b9_u32.hash(&mut hasher);
    (first, hasher.finish())
}

const ALL_FAULTS: Budget = Budget {
    slow: 2,
    crashes: 1,
    duplicates: 1,
    losses: 1,
    failovers: 1,
    resigns: 1,
};

fn expect_unbroken(start: State, deepest: usize) {
    let explored = explore(start, deepest);
    println!("{} states, {} steps deep", explored.states, explored.depth);
    assert!(explored.broken.is_none(), "{:#?}", explored.broken);
}

#[test]
fn no_short_path_of_two_candidates_breaks_a_rule() {
    expect_unbroken(State::elected(2, ALL_FAULTS).unwrap(), 8);
}

#[test]
fn no_short_path_of_three_candidates_breaks_a_rule() {
    expect_unbroken(State::elected(3, ALL_FAULTS).unwrap(), 6);
}

#[test]
fn no_short_path_from_an_empty_redis_breaks_a_rule() {
    expect_unbroken(State::new(2, ALL_FAULTS), 8);
}

/// What the exploration is worth: it finds these.
#[test]
fn the_model_finds_mistakes_in_the_scripts() {
    for planted in [
        Planted::NoSeq,
        Planted::NoEpoch,
        Planted::NoIncarnation,
        Planted::RenewAnyIdentity,
        Planted::ReleaseAnyIdentity,
        Planted::TokenFromOne,
    ] {
        Planted::plant(Some(planted));
        let explored = State::elected(2, ALL_FAULTS).map(|start| explore(start, 9));
        Planted::plant(None);
        match explored {
            Ok(Explored { states, broken, .. }) => {
                let Some((way, broken)) = broken else {
                    panic!("{planted:?} was not found in {states} states");
                };
                println!(
                    "{planted:?}, {states} states: {broken}\n  {}",
                    way.join("\n  ")
                );
            }
            Err(broken) => println!("{planted:?}, on the way to the first election: {broken}"),
        }
    }
}
