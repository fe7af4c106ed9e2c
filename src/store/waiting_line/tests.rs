use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::election::run::{RunOutcome, RunRequest};
use crate::election::{Failure, Time};
use crate::store::RunAnswers;
use crate::store::ask::{Ask, Asked, AskedRun};

struct Nobody;

impl RunAnswers for Nobody {
    fn answer(&self, _: u64, _: RunRequest, _: Result<RunOutcome, Failure>) {}

    fn sent(&self, _: u64, _: u64) {}
}

/// About the run of that number, whose caller waits for so many milliseconds.
fn ask(start: Instant, number: u128, new: bool, millis: u64) -> Ask {
    let identity = Identity::new(number);
    let ttl = Duration::from_secs(5);
    let command = match new {
        true => RunCommand::Acquire {
            identity,
            ttl,
            tick: None,
        },
        false => RunCommand::Withdraw {
            identity,
            tick: None,
        },
    };
    let bound = Duration::from_millis(millis);
    let request = RunRequest {
        id: 1,
        sent_at: Time::ZERO,
        bound,
        patience: bound,
        command,
        tell_sent: false,
    };
    let nobody: Arc<dyn RunAnswers> = Arc::new(Nobody);
    let times = WaitingTimes::of_run(&request, start);
    let asked = AskedRun::new(Arc::default(), "mail".into(), 1, request, nobody);
    Ask {
        what: Asked::Run(asked),
        ttl,
        times,
    }
}

/// In the order in which they are sent: a new one as its number, another as that below zero.
fn emptied(mut line: WaitingLine<Ask>) -> Vec<i64> {
    let mut left = Vec::new();
    while let Some(ask) = line.pop_pressing().or_else(|| line.pop_other()) {
        let number: i64 = ask.identity().unwrap().to_string().parse().unwrap();
        left.push(if ask.rank() == Turn::New {
            number
        } else {
            -number
        });
    }
    assert!(line.is_empty() && line.of_run.is_empty());
    left
}

#[test]
fn what_leaves_overtakes_new_runs_but_never_its_own() {
    let start = Instant::now();
    let mut line = WaitingLine::default();
    for (number, new) in [(1, true), (2, true), (1, false), (3, false), (1, true)] {
        line.push(ask(start, number, new, 100));
    }
    assert_eq!(emptied(line), [-3, 1, 2, -1, 1]);
}

#[test]
fn who_has_left_holds_nobody_back() {
    let start = Instant::now();
    let mut line = WaitingLine::default();
    line.push(ask(start, 1, true, 100));
    line.push(ask(start, 2, true, 100));
    line.pop_other();
    line.push(ask(start, 1, false, 100));
    assert_eq!(emptied(line), [-1, 2]);
}

#[test]
fn those_whose_time_is_over_are_taken_from_the_front() {
    let start = Instant::now();
    let asks = [
        (1, true, 10),
        (2, true, 100),
        (3, false, 20),
        (2, false, 100),
    ]
    .map(|(number, new, millis)| ask(start, number, new, millis));
    let [first, last, second, _] = asks.each_ref().map(|ask| ask.times().sent_by(true));
    let mut line = WaitingLine::default();
    for ask in asks {
        line.push(ask);
    }
    assert_eq!(line.next_due(true), Some(first));
    let before = first - Duration::from_millis(1);
    assert!(line.pop_late(before, true).is_none());
    let mut late = || line.pop_late(second, true).and_then(|ask| ask.identity());
    assert_eq!(late(), Some(Identity::new(3)));
    assert_eq!(late(), Some(Identity::new(1)));
    assert_eq!(late(), None);
    assert_eq!(line.next_due(true), Some(last));
    assert_eq!(emptied(line), [2, -2]);
}
