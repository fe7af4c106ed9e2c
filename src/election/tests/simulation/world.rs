use std::sync::Arc;

use super::candidate::{Candidate, Envelope, Link, User};
use super::clock::LocalClock;
use super::draw::Draw;
use super::forger::Forger;
use super::kind::Kind;
use super::plan::{CANDIDATES, LATENCY, NETWORK, Plan, REDIS, USERS, micros};
use super::queue::{Address, Happening, Heal, Queue};
use super::redis::Redis;
use super::rules::{Deadline, Events, Leaving, Messages, Rule, Rules, Violation, Window};
use super::statistics::Statistics;
use super::trace::Trace;
use crate::election::{Config, Election, Random, Reason, Token};

/// One run: candidates, an imaginary Redis, a resource, and the one clock of true time.
pub struct World {
    pub now: u64,
    pub plan: Plan,
    pub queue: Queue,
    pub candidates: Vec<Candidate>,
    pub redis: Redis,
    pub rules: Rules,
    pub trace: Trace,
    pub statistics: Statistics,
    /// All faults have stopped.
    pub calm: bool,
    /// By then all that was delayed has arrived.
    pub settled_at: u64,
    /// What a forger has heard, and its own election in another database.
    pub forger: Forger,
    /// The request that created the record which is there, or was lost last.
    pub created_by: Option<Envelope>,
    /// The primary that the calm end of the run has seen first.
    pub settled: Option<(usize, Option<Token>)>,
    /// One stream per kind of fault.
    pub network: Vec<Random>,
    pub latency: Random,
    pub users: Random,
    pub spawning: Random,
}

/// How a run went.
pub struct Run {
    pub violation: Option<Violation>,
    pub statistics: Statistics,
    pub trace: Vec<String>,
}

/// Runs a plan to its end, or to the first violation of a rule in `heard`.
pub fn run(plan: &Plan, heard: &[Rule], trace: Trace) -> Run {
    let mut world = World::new(plan.clone(), heard, trace);
    world.begin();
    let until = plan.cut.until.unwrap_or(u64::MAX);
    while let Some((at, happening)) = world.queue.pop() {
        if at > plan.end_at || at > until {
            break;
        }
        world.now = at;
        world.statistics.steps += 1;
        world.happen(happening);
        if let Some(violation) = &world.rules.violation {
            let message = violation.message.clone();
            let rule = violation.rule;
            world
                .trace
                .line(at, "!!", || format!("{rule:?} is broken: {message}"));
            break;
        }
    }
    world.finish()
}

impl World {
    fn new(plan: Plan, heard: &[Rule], trace: Trace) -> Self {
        let stream = |purpose| plan.stream(purpose);
        World {
            now: 0,
            queue: Queue::default(),
            candidates: Vec::new(),
            redis: Redis::new(stream(REDIS), plan.family.tells()),
            rules: Rules::new(plan.family, heard),
            trace,
            statistics: Statistics::default(),
            calm: false,
            settled_at: 0,
            forger: Forger::default(),
            created_by: None,
            settled: None,
            network: Kind::ALL.map(|kind| stream(NETWORK + kind as u64)).into(),
            latency: stream(LATENCY),
            users: stream(USERS),
            spawning: stream(CANDIDATES),
            plan,
        }
    }

    fn begin(&mut self) {
        // All at once now and then: fifty candidates in the same millisecond.
        let together = self.spawning.one_in(4);
        for who in 0..self.plan.ttls.len() {
            let after = if together {
                0
            } else {
                self.spawning.below(micros(&self.plan.ttls[0]))
            };
            self.add_candidate(who);
            self.start(who, after);
        }
        for place in 0..self.plan.schedule.len() {
            let at = self.plan.schedule[place].at;
            self.queue.push(at, Happening::Fault(place));
        }
        self.queue.push(self.plan.calm_at, Happening::Calm);
    }

    /// Adds a process that has not started.
    pub fn add_candidate(&mut self, who: usize) {
        let ttl = self.plan.ttls[who % self.plan.ttls.len()];
        let mut config = Config::new(ttl);
        config.eager_start = self.plan.eager_start;
        config.rank = self.plan.rank_of(who);
        self.candidates.push(Candidate {
            address: Address { who, life: 0 },
            name: Arc::from(format!("c{who}")),
            alive: false,
            departed: false,
            election: Election::new(config.clone(), Random::from_seed(0)),
            config,
            clock: LocalClock {
                offset: 0,
                rate: 1_000_000,
            },
            link: Link::default(),
            pending: Vec::new(),
            frozen: false,
            hung: false,
            inbox: Vec::new(),
            timer: None,
            timer_generation: 0,
            held: None,
            looked: false,
            user: User::default(),
            identities: Default::default(),
            stands: None,
            deceived_at: None,
        });
        self.rules.deadlines.push(Deadline::default());
        self.rules.windows.push(Window::default());
        self.rules.events.push(Events::default());
        self.rules.messages.push(Messages::default());
        self.rules.leaving.push(Leaving::default());
    }

    /// Starts the process again, and has its user ask for a campaign after some microseconds.
    pub fn start(&mut self, who: usize, campaign_after: u64) {
        let seed = self.spawning.next_u128();
        let offset = self.spawning.below(1_000_000_000_000);
        let rate = self.clock_rate();
        let listening = !self.spawning.one_in(8) || self.calm;
        let active = self.redis.active;
        let candidate = &mut self.candidates[who];
        candidate.address.life += 1;
        candidate.alive = true;
        candidate.election = Election::new(candidate.config.clone(), Random::from_seed(seed));
        candidate.clock = LocalClock { offset, rate };
        candidate.link = Link {
            connection: candidate.link.connection + 1,
            node: active,
            no_messages_until: candidate.link.no_messages_until,
            ..Link::default()
        };
        candidate.pending.clear();
        candidate.identities.clear();
        candidate.inbox.clear();
        candidate.frozen = false;
        candidate.hung = false;
        candidate.timer = None;
        candidate.held = None;
        candidate.looked = false;
        candidate.user = User {
            listening,
            ..User::default()
        };
        candidate.stands = None;
        candidate.deceived_at = None;
        let to = candidate.address;
        self.rules.deadlines[who] = Deadline::default();
        self.rules.windows[who] = Window::default();
        self.rules.events[who] = Events::default();
        self.rules.messages[who] = Messages::default();
        self.rules.leaving[who] = Leaving::default();
        self.trace.line(self.now, format!("c{who}"), || {
            format!(
                "starts, its clock {} millionths fast",
                rate as i64 - 1_000_000
            )
        });
        self.connect(who);
        if listening {
            self.listen(who, true);
        }
        self.queue
            .push(self.now + campaign_after, Happening::Campaign { to });
        let look = self.look_after(who);
        self.queue.push(self.now + look, Happening::Look { to });
    }

    fn clock_rate(&mut self) -> u64 {
        let level = self.plan.intensity[Kind::ClockRates as usize];
        let wild = self.plan.family == super::family::Family::WildClocks;
        let most = match (level, wild) {
            (_, true) => 50_000,
            (0, _) => return 1_000_000,
            (1, _) => 2_000,
            _ => 10_000,
        };
        // The extremes find what lies between them seldom does.
        match self.spawning.below(4) {
            0 => 1_000_000 - most,
            1 => 1_000_000 + most,
            _ => self.spawning.between(1_000_000 - most, 1_000_000 + most),
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive { envelope, node } => self.arrive(envelope, node),
            Happening::Confirm {
                envelope,
                reign,
                reply,
            } => self.confirm(envelope, reign, reply),
            Happening::Connected { to, connection } => self.connected(to, connection),
            Happening::ToCandidate { to, what } => {
                if self.is_there(to) {
                    self.deliver(to.who, what);
                }
            }
            Happening::Wake { to } => {
                if self.is_there(to) {
                    self.wake(to.who);
                }
            }
            Happening::Turn { to } => {
                if self.is_there(to) {
                    self.turn(to.who);
                }
            }
            Happening::Restart { who } => {
                if !self.candidates[who].alive && !self.candidates[who].departed {
                    let after = self.spawning.below(micros(&self.plan.ttls[0]) / 10);
                    self.start(who, after);
                }
            }
            Happening::Campaign { to } => {
                if self.is_there(to) {
                    self.campaign(to.who);
                }
            }
            Happening::Resign { to } => {
                if self.is_there(to) && !self.calm && self.candidates[to.who].users_run() {
                    self.resign(to.who, Reason::Resigned);
                    self.return_later(to.who);
                }
            }
            Happening::Ask { token } => self.ask_to_resign(token),
            Happening::StepAside { to, token } => {
                if self.is_there(to) {
                    self.step_aside(to.who, token);
                }
            }
            Happening::Look { to } => self.look(to),
            Happening::Write { from, token } => self.write(from, token),
            Happening::Forged { node, message } => {
                if !self.calm {
                    self.publish(node, &message, true);
                }
            }
            Happening::Fault(place) => {
                if !self.calm {
                    self.fault(self.plan.schedule[place]);
                }
            }
            Happening::Heal(heal) => self.heal(heal),
            Happening::CheckDeadline {
                to,
                token,
                deadline,
            } => self.check_deadline(to, token, deadline),
            Happening::CheckLeft { to, deadline } => self.check_left(to, deadline),
            Happening::CheckTakeover {
                to,
                version,
                since,
                why,
            } => self.check_takeover(to, &version, since, why),
            Happening::Calm => self.become_calm(),
            Happening::CheckElected => self.check_elected(),
        }
    }

    pub fn is_there(&self, to: Address) -> bool {
        let candidate = &self.candidates[to.who];
        candidate.alive && candidate.address == to
    }

    /// Whether a fault that is drawn for each message occurs now.
    pub fn strikes(&mut self, kind: Kind) -> bool {
        if self.calm {
            return false;
        }
        let chance = self.plan.chance(kind);
        let strikes = self.network[kind as usize].chance(chance);
        if strikes {
            self.statistics.count(COUNTED[kind as usize]);
            if kind.disturbs() {
                self.disturb(0);
            }
        }
        strikes
    }

    /// R6 does not bind until some time after a fault that lasts for `micros`.
    pub fn disturb(&mut self, micros: u64) {
        let settled = super::plan::micros(&self.plan.longest_ttl()) / 2;
        self.rules.takeover.disturb(self.now + micros + settled);
    }

    pub fn hear(&mut self, rule: Rule, verdict: super::rules::Verdict) {
        self.rules.hear(rule, self.now, verdict);
    }

    fn heal(&mut self, heal: Heal) {
        match heal {
            Heal::Split { node } => {
                if node != self.redis.active {
                    self.redis.nodes[node].master = false;
                    self.break_connections(|candidate| candidate.link.node == node);
                }
            }
            Heal::Route { who } => {
                if self.candidates[who].alive && self.candidates[who].link.node != self.redis.active
                {
                    self.drop_connection(who);
                    self.candidates[who].link.node = self.redis.active;
                }
            }
        }
    }

    fn finish(mut self) -> Run {
        self.statistics.runs = 1;
        self.statistics.virtual_micros = self.now;
        let overlap = self.rules.exclusion.longest_overlap;
        if overlap > 0 {
            let ttl = micros(&self.plan.longest_ttl());
            self.statistics.overlaps.push(overlap * 1_000 / ttl);
        }
        for rule in std::mem::take(&mut self.rules.counted) {
            let family = FAMILIES[self.plan.family as usize];
            *self.statistics.breaches.entry((family, rule)).or_default() += 1;
        }
        for (name, times) in [
            ("R6 deadlines checked", self.rules.takeover.checked),
            (
                "stale writes refused by the fence",
                self.rules.fence.refused,
            ),
        ] {
            if times > 0 {
                *self.statistics.counts.entry(name).or_default() += times;
            }
        }
        Run {
            violation: self.rules.violation,
            statistics: self.statistics,
            trace: self.trace.into_lines(),
        }
    }
}

/// Names that live as long as the statistics, which outlive every run.
pub static COUNTED: std::sync::LazyLock<Vec<&'static str>> = std::sync::LazyLock::new(|| {
    let names = Kind::ALL.map(|kind| &*kind.name().leak());
    names.into()
});

static FAMILIES: std::sync::LazyLock<Vec<&'static str>> = std::sync::LazyLock::new(|| {
    let names = super::family::Family::all().map(|family| &*family.name().leak());
    names.collect()
});
