//! What is counted of the whole process: a relaxed addition each, which decides nothing. The names and the units of
//! the outside are JavaScript's.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::election::run::{RunCommand, RunOutcome};
use crate::election::{Command, Failure, Outcome, Reply};

/// How many observations were at most how large, each in millionths of its unit.
#[derive(Debug)]
pub struct Histogram {
    bounds: [u64; BOUNDS],
    /// Those up to each bound and above the one before, and those above all.
    counts: [AtomicU64; BOUNDS + 1],
    sum: AtomicU64,
    largest: AtomicU64,
}

pub const BOUNDS: usize = 12;

/// From the sending of a renewal to its confirmation, in seconds.
pub static ROUND_TRIPS: Histogram = Histogram::new([
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
]);

/// What was left to the step-down deadline as a renewal was confirmed, as a share of the ttl.
pub static MARGINS: Histogram = Histogram::new([
    25_000, 50_000, 100_000, 150_000, 200_000, 250_000, 300_000, 350_000, 400_000, 450_000,
    500_000, 600_000,
]);

/// How long the lease of a run was held, in seconds.
pub static RUNS_HELD: Histogram = Histogram::new([
    1_000,
    10_000,
    50_000,
    100_000,
    500_000,
    SECOND,
    5 * SECOND,
    10 * SECOND,
    60 * SECOND,
    300 * SECOND,
    1_800 * SECOND,
    3_600 * SECOND,
]);

/// How late an event loop answered when it was asked whether it turns, in seconds.
pub static LOOP_DELAYS: Histogram = Histogram::new([
    1_000,
    5_000,
    10_000,
    50_000,
    100_000,
    250_000,
    500_000,
    SECOND,
    2_500_000,
    5 * SECOND,
    10 * SECOND,
    60 * SECOND,
]);

const SECOND: u64 = 1_000_000;

impl Histogram {
    const fn new(bounds: [u64; BOUNDS]) -> Self {
        Histogram {
            bounds,
            counts: [const { AtomicU64::new(0) }; BOUNDS + 1],
            sum: AtomicU64::new(0),
            largest: AtomicU64::new(0),
        }
    }

    pub(super) fn observe(&self, time: Duration) {
        self.observe_millionths(time.as_micros() as u64);
    }

    pub(super) fn observe_share(&self, part: Duration, whole: Duration) {
        if !whole.is_zero() {
            let share = part.as_secs_f64() / whole.as_secs_f64();
            self.observe_millionths((share * 1e6) as u64);
        }
    }

    fn observe_millionths(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
        self.largest.fetch_max(value, Relaxed);
    }

    /// Its bounds, its counts (one more), the sum and the largest, in whole units.
    pub fn read(&self) -> impl Iterator<Item = f64> {
        let load = |counter: &AtomicU64| counter.load(Relaxed) as f64;
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / 1e6);
        let rest = [&self.sum, &self.largest];
        bounds
            .chain(self.counts.iter().map(load))
            .chain(rest.into_iter().map(move |counter| load(counter) / 1e6))
    }
}

/// Commands by their kind, and what came of them: an answer, none, a refusal that passes, one that stays.
static COMMANDS: [[AtomicU64; RESULTS]; KINDS] =
    [const { [const { AtomicU64::new(0) }; RESULTS] }; KINDS];

/// Asked once more, after no answer or a refusal: for elections, for runs.
static RETRIES: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Those of a server that is not primary which found nothing to take.
static POLLS: AtomicU64 = AtomicU64::new(0);

pub const KINDS: usize = 10;
pub const RESULTS: usize = 4;

/// Every counter of commands, kind by kind; then the retries, and the polls.
pub fn commands() -> impl Iterator<Item = f64> {
    let counted = COMMANDS.iter().flatten().chain(&RETRIES).chain([&POLLS]);
    counted.map(|counter| counter.load(Relaxed) as f64)
}

/// Whether the last command of somebody went unanswered, or was refused.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trying {
    failed: bool,
}

impl Trying {
    pub fn of_election(&mut self, command: &Command, reply: &Result<Reply, Failure>) {
        let kind = match command {
            Command::Acquire { .. } => 0,
            Command::Renew { .. } => 1,
            Command::Release { .. } => 2,
            // A campaign asks nobody to resign.
            Command::Inspect | Command::AskToResign { .. } => 3,
        };
        if let Ok(Reply { outcome, .. }) = reply
            && matches!(outcome, Outcome::Refused | Outcome::Seen)
        {
            POLLS.fetch_add(1, Relaxed);
        }
        self.answered(kind, reply.as_ref().err());
    }

    pub fn of_run(&mut self, command: &RunCommand, answer: &Result<RunOutcome, Failure>) {
        let kind = match command {
            RunCommand::Acquire { .. } => 4,
            RunCommand::Renew { .. } => 5,
            RunCommand::Begin { .. } => 6,
            RunCommand::Release { .. } => 7,
            RunCommand::Withdraw { .. } => 8,
        };
        self.answered(kind, answer.as_ref().err());
    }

    fn answered(&mut self, kind: usize, failure: Option<&Failure>) {
        self.failed = failure.is_some();
        count(kind, failure);
    }

    /// It sends the next one.
    pub fn sends(&mut self, of_run: bool) {
        if std::mem::take(&mut self.failed) {
            RETRIES[usize::from(of_run)].fetch_add(1, Relaxed);
        }
    }
}

/// A command of a caller, under a fence.
pub(super) fn count_fenced(failure: Option<&Failure>) {
    count(9, failure);
}

fn count(kind: usize, failure: Option<&Failure>) {
    let result = match failure {
        None => 0,
        Some(Failure::Unknown { .. }) => 1,
        Some(Failure::Refused { .. }) => 2,
        Some(Failure::Denied { .. }) => 3,
    };
    COMMANDS[kind][result].fetch_add(1, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_counts_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 2_000_000]);
        for value in [0, 1, 2, 2_000_000, 2_000_001] {
            histogram.observe_millionths(value);
        }
        let read: Vec<f64> = histogram.read().collect();
        assert_eq!(read.len(), 2 * BOUNDS + 3);
        assert_eq!(read[0], 1e-6);
        let counts = [
            2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0,
        ];
        assert_eq!(read[BOUNDS..2 * BOUNDS + 1], counts);
        assert_eq!(read[2 * BOUNDS + 1..], [4.000_004, 2.000_001]);
    }

    #[test]
    fn what_follows_a_failure_is_a_retry_and_what_follows_an_answer_is_none() {
        let mut trying = Trying::default();
        let retries = || RETRIES[1].load(Relaxed);
        let before = retries();
        let failure = Failure::Unknown {
            cause: "no answer".into(),
        };
        for (answer, more) in [(None, 0), (Some(&failure), 1)] {
            trying.answered(4, answer);
            trying.sends(true);
            trying.sends(true);
            assert!(retries() - before >= more);
            assert!(!trying.failed);
        }
    }

    #[test]
    fn a_share_of_nothing_is_not_observed() {
        let histogram = Histogram::new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        histogram.observe_share(Duration::from_secs(1), Duration::ZERO);
        assert_eq!(histogram.read().skip(BOUNDS).sum::<f64>(), 0.0);
        histogram.observe_share(Duration::from_secs(1), Duration::from_secs(2));
        assert_eq!(histogram.read().last(), Some(0.5));
    }
}
