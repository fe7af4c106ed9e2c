use std::time::Duration;

use crate::election::Random;

/// Everything that a seed decides.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u128,
    /// How many commands the store answers in a second.
    pub per_second: u64,
    /// How far away it is, in microseconds one way.
    pub away: u64,
    /// How late the process looks at what has arrived, in microseconds at most.
    pub late: u64,
    /// The ttls of the elections, of which one begins after the other.
    pub elections: Vec<Duration>,
    /// In microseconds.
    pub between_elections: u64,
    /// From when on the store answers no more than that, in microseconds: before, it answers five times as many.
    pub strained_at: u64,
    pub crowds: Vec<Crowd>,
    /// When the store answers nothing, and for how long, in microseconds.
    pub hangs: Vec<(u64, u64)>,
    pub end_at: u64,
}

/// Runs that ask at the same time.
#[derive(Clone, Debug)]
pub struct Crowd {
    pub at: u64,
    pub count: usize,
    pub ttl: Duration,
    pub acquire_timeout: Duration,
    /// One of so many works for longer than its ttl; the others are over at once.
    pub long: usize,
    /// All that it asks and all that is held fits into the time that it has.
    pub fits: bool,
}

impl Plan {
    pub fn of_seed(seed: u64) -> Plan {
        let mut draw = Random::from_seed(u128::from(seed));
        let mut pick = |choices: &[u64]| choices[below(&mut draw, choices.len() as u64) as usize];
        let per_second = pick(&[200, 500, 2_000, 10_000, 50_000]);
        let away = pick(&[50, 1_000, 10_000]);
        let late = pick(&[0, 0, 5_000, 30_000]);
        let ttl = Duration::from_millis(pick(&[500, 1_000, 5_000]));
        let hangs = pick(&[0, 0, 0, 1]) == 1;
        // A tenth of what the store answers, and three renewals within a ttl.
        let most = per_second * ttl.as_millis() as u64 / 30_000;
        let elections = 1 + below(&mut draw, most.clamp(1, 30));
        let crowds = (0..1 + below(&mut draw, 3))
            .map(|index| Crowd::draw(&mut draw, 3_000_000 + index * 4_000_000, per_second));
        let crowds: Vec<Crowd> = crowds.collect();
        // Leases that were renewed before it have time left for another connection.
        let ttls = crowds.iter().map(|crowd| crowd.ttl).chain([ttl]);
        let shortest = ttls.min().unwrap_or(ttl).as_micros() as u64;
        let longest = (shortest / 3).saturating_sub(250_000 + 4 * away);
        let hangs = hangs.then(|| (4_000_000, below(&mut draw, longest)));
        let mut plan = Plan {
            seed: draw.next_u128(),
            per_second,
            away,
            late: late.min(ttl.as_micros() as u64 / 50),
            elections: vec![ttl; elections as usize],
            between_elections: 0,
            strained_at: 0,
            crowds,
            hangs: hangs.into_iter().collect(),
            end_at: 18_000_000,
        };
        plan.note_what_fits();
        plan
    }

    /// Elections alone, on a store that answers all renewals that keep them, and not all that they would like.
    pub fn strained(seed: u64) -> Plan {
        let mut draw = Random::from_seed(u128::from(seed));
        let mut pick = |choices: &[u64]| choices[below(&mut draw, choices.len() as u64) as usize];
        let (per_second, late) = (pick(&[200, 500]), pick(&[0, 5_000, 30_000]));
        let ttl = Duration::from_millis(pick(&[1_000, 5_000]));
        // A renewal every third of a ttl is 1.5 times what the store answers.
        let elections = per_second * ttl.as_millis() as u64 / 2_000;
        Plan {
            seed: draw.next_u128(),
            per_second,
            away: 50,
            late: late.min(ttl.as_micros() as u64 / 50),
            elections: vec![ttl; elections as usize],
            // Each is granted before the next asks.
            between_elections: 500_000 / per_second,
            strained_at: 8_000_000,
            crowds: Vec::new(),
            hangs: Vec::new(),
            end_at: 30_000_000,
        }
    }

    /// A crowd that is alone, on a store that does not hang, whose commands take half of its time.
    fn note_what_fits(&mut self) {
        let (alone, hangs) = (self.crowds.len() == 1, !self.hangs.is_empty());
        let trip = 2 * self.away + self.late;
        for crowd in &mut self.crowds {
            let takes = 2 * crowd.count as u64 * 1_000_000 / self.per_second;
            let has = crowd.acquire_timeout.as_micros() as u64;
            crowd.fits = alone && !hangs && trip < 5_000 && takes + 300_000 < has / 2;
        }
    }
}

impl Crowd {
    fn draw(draw: &mut Random, at: u64, per_second: u64) -> Crowd {
        let seconds_of_work = below(draw, 5);
        let count = (per_second * seconds_of_work / 2 + below(draw, 500)).min(1_000) as usize;
        let ttl = [SHORTEST_RUN, Duration::from_secs(5)][below(draw, 2) as usize];
        let acquire_timeout = [ttl / 2, Duration::from_secs(5)][below(draw, 2) as usize];
        // What is held asks for a tenth of what the store answers.
        let held = per_second * ttl.as_millis() as u64 / 60_000;
        Crowd {
            at,
            count,
            ttl,
            acquire_timeout,
            long: (count / held.clamp(1, 200) as usize).max(2),
            fits: false,
        }
    }
}

/// The shorter ttl of runs.
const SHORTEST_RUN: Duration = Duration::from_secs(1);

pub fn below(draw: &mut Random, bound: u64) -> u64 {
    match bound {
        0 => 0,
        bound => draw.next_u64() % bound,
    }
}
