use std::collections::BTreeSet;
use std::time::Duration;

use super::draw::{Draw, stream};
use super::family::Family;
use super::kind::Kind;
use crate::election::{Random, Rank};

/// Everything about one run that is decided before it starts, all of it from the seed.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub family: Family,
    pub cut: Cut,
    /// One per candidate that stands from the beginning; those who join take them in turn.
    pub ttls: Vec<Duration>,
    pub eager_start: bool,
    pub intensity: [u8; Kind::ALL.len()],
    pub schedule: Vec<Scheduled>,
    /// When all faults stop, in true microseconds.
    pub calm_at: u64,
    pub end_at: u64,
    /// One way, in microseconds, where no fault adds to it.
    pub latency: (u64, u64),
    /// The most by which a timer is late.
    pub lateness: u64,
    /// With WAIT: how long the replicas take to confirm a write.
    pub confirmed_after: Option<u64>,
}

/// A fault of the schedule; what it draws beside its time comes from `draw`.
#[derive(Clone, Copy, Debug)]
pub struct Scheduled {
    pub index: usize,
    pub at: u64,
    pub kind: Kind,
    pub draw: u64,
}

/// What is taken away from a run, to find the smallest one that still fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    pub candidates: Option<usize>,
    pub without: BTreeSet<Kind>,
    /// Scheduled faults that do not happen, by index.
    pub skip: BTreeSet<usize>,
    pub until: Option<u64>,
}

impl Plan {
    pub fn of_seed(seed: u64) -> Plan {
        Plan::new(seed, Family::of_seed(seed), Cut::default())
    }

    pub fn new(seed: u64, family: Family, cut: Cut) -> Plan {
        let mut draw = stream(seed, SHAPE);
        let candidates = if draw.one_in(25) {
            draw.between(6, 8)
        } else {
            draw.between(2, 5)
        } as usize;
        let ttl = TTLS[draw.below(TTLS.len() as u64) as usize];
        let ttls = (0..8).map(|_| {
            let factor = draw.between(100, 300) as u32;
            if family == Family::MixedTtls {
                ttl * factor / 100
            } else {
                ttl
            }
        });
        let ttls: Vec<Duration> = ttls.collect();
        let longest = ttls.iter().max().map_or(0, micros);
        let calm_at = micros(&ttl) * draw.between(15, 60);
        let slowest = *[300, 2_000, micros(&ttl) / 40]
            .get(draw.below(3) as usize)
            .unwrap_or(&300);
        let lag = draw.between(1_000, micros(&ttl) / 10);

        let mut intensity = [0; Kind::ALL.len()];
        // A calm run now and then, and a wild one.
        let (from, to) = [(0, 8), (0, 5), (0, 3)][draw.below(3) as usize];
        for kind in Kind::ALL {
            let drawn: u64 = draw.between(from, to);
            // Most of what people break at once is not interesting.
            let level = if kind == Kind::Deny && !draw.one_in(8) {
                0
            } else {
                [1, 2, 3, 0, 0, 0, 0, 0, 0][drawn as usize]
            };
            if family.allows(kind) && !cut.without.contains(&kind) {
                intensity[kind as usize] = level;
            }
        }
        let lateness = match intensity[Kind::Lateness as usize] {
            0 => 300,
            level => 2_000 * u64::from(level).pow(2),
        };

        let mut plan = Plan {
            seed,
            family,
            ttls,
            eager_start: family == Family::Eager,
            intensity,
            schedule: Vec::new(),
            calm_at,
            end_at: calm_at + longest * 9,
            latency: (50, slowest),
            lateness,
            confirmed_after: (family == Family::SplitConfirmed).then_some(lag),
            cut,
        };
        plan.ttls.truncate(8);
        plan.schedule = plan.scheduled(&ttl);
        let wanted = plan.cut.candidates.unwrap_or(candidates);
        plan.ttls.truncate(wanted.clamp(1, 8));
        plan
    }

    /// The probability of a fault that is drawn for each message, in millionths.
    pub fn chance(&self, kind: Kind) -> u32 {
        [0, 4_000, 40_000, 200_000][usize::from(self.intensity[kind as usize])]
    }

    /// All alike in a third of the seeds.
    pub fn rank_of(&self, who: usize) -> Rank {
        let alike = self.seed / 11 % 3 == 0;
        let priority = if alike {
            0
        } else {
            (self.seed as usize + who * 5) % 3
        };
        Rank::new(priority as i16, "").unwrap_or_default()
    }

    pub fn longest_ttl(&self) -> Duration {
        self.ttls.iter().max().copied().unwrap_or_default()
    }

    /// The stream of one purpose.
    pub fn stream(&self, purpose: u64) -> Random {
        stream(self.seed, purpose)
    }

    fn scheduled(&self, ttl: &Duration) -> Vec<Scheduled> {
        let mut schedule = Vec::new();
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_scheduled()) {
            let mean_gap = [0, 30, 10, 3][usize::from(self.intensity[kind as usize])];
            if mean_gap == 0 {
                continue;
            }
            let mut draw = self.stream(SCHEDULE + kind as u64);
            let (mut at, mut count) = (0, 0);
            loop {
                at += draw.below(2 * mean_gap * micros(ttl));
                if at >= self.calm_at {
                    break;
                }
                let draw = draw.next_u64();
                // Numbered within its kind: a kind switched off leaves the other numbers alone.
                let index = (kind as usize) * PER_KIND + count;
                count += 1;
                schedule.push(Scheduled {
                    index,
                    at,
                    kind,
                    draw,
                });
            }
        }
        schedule.retain(|scheduled| !self.cut.skip.contains(&scheduled.index));
        schedule.sort_by_key(|scheduled| (scheduled.at, scheduled.index));
        schedule
    }

    /// The one command that runs this again.
    pub fn command(&self) -> String {
        let mut command = format!(
            "npm run simulate -- --seed {} --family {}",
            self.seed,
            self.family.name()
        );
        if let Some(candidates) = self.cut.candidates {
            command += &format!(" --candidates {candidates}");
        }
        if !self.cut.without.is_empty() {
            let names: Vec<String> = self.cut.without.iter().map(|kind| kind.name()).collect();
            command += &format!(" --without {}", names.join(","));
        }
        let off = |index: &&usize| {
            let kind = Kind::ALL[**index / PER_KIND];
            !self.cut.without.contains(&kind)
        };
        let skip: Vec<String> = self
            .cut
            .skip
            .iter()
            .filter(off)
            .map(usize::to_string)
            .collect();
        if !skip.is_empty() {
            command += &format!(" --skip {}", skip.join(","));
        }
        if let Some(until) = self.cut.until {
            command += &format!(" --until {until}");
        }
        command
    }
}

pub fn micros(duration: &Duration) -> u64 {
    duration.as_micros() as u64
}

const TTLS: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_millis(1_000),
    Duration::from_millis(5_000),
    Duration::from_millis(30_000),
];

/// Faults of one kind in a schedule: more than there ever are.
const PER_KIND: usize = 10_000;

const SHAPE: u64 = 1_000;
const SCHEDULE: u64 = 2_000;
/// The streams of the run itself, by purpose: `NETWORK + Kind`, and so on.
pub const NETWORK: u64 = 3_000;
pub const LATENCY: u64 = 4_000;
pub const USERS: u64 = 5_000;
pub const CANDIDATES: u64 = 6_000;
pub const REDIS: u64 = 7_000;
