//! Runs many seeds on all cores.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::plan::Plan;
use super::rules::{Rule, Violation};
use super::statistics::Statistics;
use super::trace::Trace;
use super::world;
use crate::election::planted::Planted;

/// What to look for, and where.
#[derive(Clone)]
pub struct Search {
    pub seeds: Range<u64>,
    pub heard: Vec<Rule>,
    pub planted: Option<Planted>,
    /// How many failing seeds are enough.
    pub enough: usize,
}

#[derive(Default)]
pub struct Found {
    pub statistics: Statistics,
    /// The failing seeds, the lowest first.
    pub failures: Vec<(u64, Violation)>,
    pub took: Duration,
}

impl Search {
    pub fn of_seeds(seeds: Range<u64>) -> Self {
        Search {
            seeds,
            heard: Rule::ALL.into(),
            planted: None,
            enough: 1,
        }
    }

    /// Runs the plan of every seed.
    #[expect(
        clippy::disallowed_methods,
        reason = "how fast the simulation is, not what happens in it"
    )]
    pub fn run(&self, plan: impl Fn(u64) -> Plan + Sync) -> Found {
        let start = Instant::now();
        let found = Mutex::new(Found::default());
        let next = AtomicU64::new(self.seeds.start);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    let mut mine = Statistics::default();
                    Planted::plant(self.planted);
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= self.seeds.end {
                            break;
                        }
                        let run = world::run(&plan(seed), &self.heard, Trace::default());
                        mine.add(&run.statistics);
                        if let Some(violation) = run.violation {
                            let mut found = found.lock().unwrap();
                            found.failures.push((seed, violation));
                            if found.failures.len() >= self.enough {
                                next.store(self.seeds.end, Ordering::Relaxed);
                            }
                        }
                    }
                    found.lock().unwrap().statistics.add(&mine);
                });
            }
        });
        let mut found = found.into_inner().unwrap();
        found.took = start.elapsed();
        found.failures.sort_by_key(|(seed, _)| *seed);
        found
    }
}
