use std::time::Duration;

use super::stream;
use crate::election::run::{RunConfig, Tick};
use crate::election::tests::simulation::clock::LocalClock;
use crate::election::tests::simulation::draw::Draw;
use crate::election::{MAX_TTL, Random};

/// What may befall the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Nothing: its data and its clock stay. It may be silent, err, or reset connections.
    Network,
    /// Its keys are lost now and then.
    Loss,
    /// Its clock is set, back or forth, by up to three ttls.
    Steps,
    /// Its clock is set back a little, by less than a second in all.
    Slew,
    /// Nothing but that some never hear an answer: everybody asks for the same ticks, and wants to run them.
    Deaf,
}

/// Everything about one run that is decided before it starts, all of it from the seed.
pub struct Plan {
    pub seed: u64,
    pub family: Family,
    pub leases: Vec<LeasePlan>,
    /// In millionths, for each request, reply or message.
    pub faults: Faults,
    /// Store microseconds per million true ones.
    pub store_rate: u64,
    /// When the faults end.
    pub calm_at: u64,
    /// Somebody sends messages of releases that never were, to all of them.
    pub forged: Vec<(u64, Duration)>,
    pub events: Vec<(u64, Event)>,
    /// The loop around the rules hands them the time first, as the driver does.
    pub time_first: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub lose: u32,
    pub delay: u32,
    pub duplicate: u32,
    pub err: u32,
}

#[derive(Clone, Copy, Debug)]
pub enum Event {
    Silent { until: u64 },
    Reset { until: u64 },
    Lose,
    Step { by: i64 },
    Freeze { who: usize, until: u64 },
}

/// One run of a job, and how it goes.
#[derive(Clone, Debug)]
pub struct LeasePlan {
    pub at: u64,
    pub config: RunConfig,
    pub clock: LocalClock,
    pub takes: u64,
    pub ending: Ending,
    /// The event loop sees the grant so much later.
    pub notices_after: u64,
    /// No reply reaches it.
    pub deaf: bool,
    /// The caller gives up, so long after it asked.
    pub gives_up_after: Option<u64>,
    /// It asks in the process of this one, as soon as that one's caller is told that it is released.
    pub after: Option<usize>,
    /// A lost run stops so long after it was told; none that goes on to its own end.
    pub heeds_after: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Release,
    /// The run never begins though the lease was granted.
    Abandon,
    Overrun,
    Stall,
    Crash,
}

impl Plan {
    pub fn new(seed: u64, family: Family) -> Self {
        let mut draw = stream(seed, 0);
        let ttl = [100_000, 300_000, 1_000_000, 5_000_000][draw.below(4) as usize];
        let calm_at = ttl * draw.between(4, 16);
        let quiet = draw.one_in(6);
        let quiet = quiet || family == Family::Deaf;
        let mut rate = |most: u64| if quiet { 0 } else { draw.below(most) as u32 };
        let faults = Faults {
            lose: rate(250_000),
            delay: rate(200_000),
            duplicate: rate(200_000),
            err: rate(150_000),
        };
        let count = draw.between(3, 9) as usize;
        if family == Family::Deaf {
            return deaf(seed, draw, ttl, calm_at, faults);
        }
        let mut leases: Vec<_> = (0..count).map(|_| lease(&mut draw, ttl, calm_at)).collect();
        for who in 1..count {
            if leases[who - 1].ending == Ending::Release && draw.one_in(3) {
                leases[who - 1].config.await_release = false;
                leases[who].clock = leases[who - 1].clock;
                leases[who].after = Some(who - 1);
                leases[who].gives_up_after = None;
            }
        }
        let mut events: Vec<_> = (0..draw.below(6))
            .filter_map(|_| event(&mut draw, family, ttl, calm_at, count))
            .collect();
        let forged = match draw.one_in(6) {
            true => forged(&mut draw, ttl, calm_at),
            false => Vec::new(),
        };
        for (who, lease) in leases.iter().enumerate() {
            // While an answer is on its way, to the first question or to a renewal.
            if draw.one_in(5) && lease.at < calm_at {
                let at = lease.at + ttl / 3 * draw.below(4) + draw.below(1_500);
                let until = at + draw.below(ttl * 2);
                events.push((at, Event::Freeze { who, until }));
            }
        }
        Plan {
            seed,
            family,
            leases,
            faults,
            store_rate: draw.between(990_000, 1_010_000),
            calm_at,
            forged,
            events,
            time_first: draw.one_in(2),
        }
    }
}

/// Servers that come for each tick together, half of them deaf at most.
fn deaf(seed: u64, mut draw: Random, ttl: u64, calm_at: u64, faults: Faults) -> Plan {
    let micros = Duration::from_micros;
    let mut leases = Vec::new();
    for tick in 0..3 {
        let due = tick as u64 * ttl * 4;
        for who in 0..3 {
            let mut config = RunConfig::new(micros(ttl));
            config.tick = Some(Tick::at(tick, Duration::from_secs(3600)));
            leases.push(LeasePlan {
                at: due + draw.below(2_000),
                config,
                clock: clock(&mut draw),
                takes: draw.below(ttl),
                ending: if draw.one_in(8) {
                    Ending::Abandon
                } else {
                    Ending::Release
                },
                notices_after: 0,
                deaf: who == 0 || draw.one_in(4) && who == 1,
                gives_up_after: None,
                after: None,
                heeds_after: None,
            });
        }
    }
    Plan {
        seed,
        family: Family::Deaf,
        leases,
        faults,
        store_rate: draw.between(990_000, 1_010_000),
        calm_at,
        forged: Vec::new(),
        events: Vec::new(),
        time_first: draw.one_in(2),
    }
}

fn forged(draw: &mut Random, ttl: u64, calm_at: u64) -> Vec<(u64, Duration)> {
    let from = draw.below(calm_at);
    let message = |_| {
        let delay = if draw.one_in(2) {
            0
        } else {
            draw.below(ttl / 1000)
        };
        (from + draw.below(ttl), Duration::from_millis(delay))
    };
    (0..200).map(message).collect()
}

fn clock(draw: &mut Random) -> LocalClock {
    LocalClock {
        offset: draw.below(1_000_000_000),
        rate: draw.between(990_000, 1_010_000),
    }
}

fn lease(draw: &mut Random, ttl: u64, calm_at: u64) -> LeasePlan {
    // Now and then one with another ttl.
    let ttl = if draw.one_in(6) { ttl * 2 } else { ttl };
    let micros = Duration::from_micros;
    let mut config = RunConfig::new(micros(ttl).min(MAX_TTL));
    if draw.one_in(3) {
        config.min_hold = micros(draw.below(ttl + 1) / 1000 * 1000);
    }
    if draw.one_in(2) {
        let memory = Duration::from_secs(3600);
        let at = draw.below(3) as i64;
        config.tick = Some(Tick::at(at, memory));
    }
    if draw.one_in(2) {
        config.wait = micros(draw.below(ttl * 4));
    }
    if draw.one_in(3) {
        config.acquire_timeout = micros(draw.between(10_000, ttl * 2));
    }
    config.await_release = !draw.one_in(4);
    config.check("ttl").unwrap();
    // Some come when all is calm.
    let latest = calm_at + ttl * 2;
    let ending = match draw.below(10) {
        0..=4 => Ending::Release,
        5 => Ending::Abandon,
        6 => Ending::Overrun,
        7 => Ending::Stall,
        _ => Ending::Crash,
    };
    LeasePlan {
        at: draw.below(latest),
        config,
        clock: clock(draw),
        takes: if draw.one_in(4) {
            0
        } else {
            draw.below(ttl * 3)
        },
        ending,
        notices_after: match draw.below(6) {
            0 => draw.below(ttl * 2),
            1 => draw.below(20_000),
            _ => 0,
        },
        deaf: false,
        gives_up_after: draw.one_in(6).then(|| draw.below(ttl)),
        after: None,
        heeds_after: draw.one_in(2).then(|| draw.below(ttl / 10)),
    }
}

fn event(
    draw: &mut Random,
    family: Family,
    ttl: u64,
    calm_at: u64,
    count: usize,
) -> Option<(u64, Event)> {
    let at = draw.below(calm_at);
    let until = at + draw.below(ttl * 2);
    let event = match draw.below(6) {
        0 => Event::Silent { until },
        1 => Event::Reset { until },
        2 | 3 => Event::Freeze {
            who: draw.below(count as u64) as usize,
            until,
        },
        _ => match family {
            Family::Network | Family::Deaf => return None,
            Family::Loss => Event::Lose,
            Family::Steps => Event::Step {
                by: draw.below(ttl * 6) as i64 - ttl as i64 * 3,
            },
            // Six of them are less than a second.
            Family::Slew => Event::Step {
                by: -(draw.below(160_000) as i64),
            },
        },
    };
    Some((at, event))
}
