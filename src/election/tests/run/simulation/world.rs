//! Many leases of one resource, a store and a network, on one virtual clock.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::plan::{Ending, Event, Family, Plan};
use super::rules::{Rule, Violation};
use super::store::Store;
use super::stream;
use super::user::User;
use crate::election::Random;
use crate::election::run::{RunCommand, RunOutcome, RunRequest, TickName};
use crate::election::tests::simulation::draw::Draw;
use crate::election::{Failure, Identity, Time};

pub struct World<'a> {
    pub plan: &'a Plan,
    pub now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    queued: u64,
    pub network: Random,
    pub store: Store,
    pub users: Vec<User>,
    /// Whose validity windows are open, and until when.
    pub windows: Vec<(usize, u64)>,
    /// Who has run which tick.
    pub ran: HashMap<TickName, usize>,
    /// Who was told that its tick was run by another.
    pub refused_as_run: Vec<(TickName, usize)>,
    silent_until: u64,
    reset_until: u64,
    heard: &'a [Rule],
    pub violation: Option<Violation>,
    pub counts: HashMap<&'static str, u64>,
    pub trace: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
pub enum Happening {
    Ask(usize),
    GiveUp(usize),
    /// The event loop sees the grant.
    Notice(usize),
    /// The run is over, by itself or because it obeys its signal.
    Over(usize),
    /// Something befalls the run while it goes on.
    Befall(usize),
    Arrive {
        who: usize,
        connection: u32,
        request: RunRequest,
        /// The network made it of another.
        copy: bool,
    },
    To(usize, Delivery),
    Wake(usize),
    /// A request was written to the socket, over this connection.
    Sent(usize, u32, u64),
    Thaw(usize),
    Event(usize),
}

#[derive(Clone, Debug)]
pub enum Delivery {
    Reply {
        connection: u32,
        request: RunRequest,
        answer: Result<RunOutcome, Failure>,
        /// Who held the lease for the tick that was asked for, when the store answered.
        holder: Option<Identity>,
    },
    Overdue {
        request: RunRequest,
    },
    Message(Duration),
}

pub struct Run {
    pub violation: Option<Violation>,
    pub counts: HashMap<&'static str, u64>,
    pub trace: Vec<String>,
}

pub fn run(plan: &Plan, heard: &[Rule], traced: bool) -> Run {
    let mut world = World {
        plan,
        now: 0,
        queue: BTreeMap::new(),
        queued: 0,
        network: stream(plan.seed, 1),
        store: Store::new(plan.family, plan.store_rate),
        users: (0..)
            .zip(&plan.leases)
            .map(|(who, lease)| User::new(plan.seed, who, lease))
            .collect(),
        windows: Vec::new(),
        ran: HashMap::new(),
        refused_as_run: Vec::new(),
        silent_until: 0,
        reset_until: 0,
        heard,
        violation: None,
        counts: HashMap::new(),
        trace: traced.then(Vec::new),
    };
    world.go();
    let mut counts = world.counts;
    for (what, count) in world.store.counts {
        *counts.entry(what).or_default() += count;
    }
    Run {
        violation: world.violation,
        counts,
        trace: world.trace.unwrap_or_default(),
    }
}

impl World<'_> {
    fn go(&mut self) {
        for (who, lease) in self.plan.leases.iter().enumerate() {
            if lease.after.is_none() {
                self.at(lease.at, Happening::Ask(who));
            }
            if let Some(after) = lease.gives_up_after {
                self.at(lease.at + after, Happening::GiveUp(who));
            }
        }
        for (index, (at, _)) in self.plan.events.iter().enumerate() {
            self.at(*at, Happening::Event(index));
        }
        for (at, delay) in &self.plan.forged {
            *self.counts.entry("fault: a forged message").or_default() += 1;
            for who in 0..self.users.len() {
                self.at(*at, Happening::To(who, Delivery::Message(*delay)));
            }
        }
        for _ in 0..MOST_STEPS {
            let Some(((at, _), happening)) = self.queue.pop_first() else {
                return self.check_end();
            };
            self.now = at;
            self.say(|| format!("{happening:?}"));
            self.happen(happening);
            for (rule, message) in std::mem::take(&mut self.store.found) {
                self.hear(rule, message);
            }
            if self.violation.is_some() {
                return;
            }
        }
        self.hear(Rule::Liveness, format!("no end after {MOST_STEPS} steps"));
    }

    pub fn at(&mut self, at: u64, happening: Happening) {
        self.queued += 1;
        self.queue
            .insert((at.max(self.now), self.queued), happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive {
                who,
                connection,
                request,
                copy,
            } => self.arrive(who, connection, request, copy),
            Happening::Event(index) => self.befall(index),
            Happening::Thaw(who) => self.thaw(who),
            Happening::Ask(who)
            | Happening::GiveUp(who)
            | Happening::Notice(who)
            | Happening::Over(who)
            | Happening::Befall(who)
            | Happening::Wake(who)
            | Happening::Sent(who, ..)
            | Happening::To(who, _) => {
                let user = &mut self.users[who];
                if self.now < user.frozen_until {
                    user.deferred.push(happening);
                } else if !user.crashed {
                    self.reach(who, happening);
                }
            }
        }
    }

    fn befall(&mut self, index: usize) {
        self.count(match self.plan.events[index].1 {
            Event::Silent { .. } => "fault: the store is silent",
            Event::Reset { .. } => "fault: connections are reset",
            Event::Lose => "fault: data lost",
            Event::Step { .. } => "fault: the store's clock is set",
            Event::Freeze { .. } => "fault: frozen",
        });
        match self.plan.events[index].1 {
            Event::Silent { until } => self.silent_until = until,
            Event::Reset { until } => self.reset_until = until,
            Event::Lose => self.store.lose_data(),
            Event::Step { by } => self.store.step(by),
            Event::Freeze { who, until } => {
                for one in self.in_process(self.process_of(who)) {
                    self.users[one].frozen_until = until;
                    self.users[one].was_frozen = true;
                    self.at(until, Happening::Thaw(one));
                }
            }
        }
    }

    /// What waited is looked at in any order; but what the loop does first, it does first.
    fn thaw(&mut self, who: usize) {
        if self.now < self.users[who].frozen_until || self.users[who].crashed {
            return;
        }
        if self.network.one_in(3) {
            self.look(who);
        }
        let mut waiting = std::mem::take(&mut self.users[who].deferred);
        while !waiting.is_empty() && !self.users[who].crashed {
            let next = self.network.below(waiting.len() as u64) as usize;
            let happening = waiting.swap_remove(next);
            self.reach(who, happening);
        }
        if !self.users[who].crashed {
            self.reach(who, Happening::Wake(who));
        }
    }

    fn calm(&self) -> bool {
        self.now >= self.plan.calm_at
    }

    fn strikes(&mut self, millionths: u32) -> bool {
        !self.calm() && self.network.chance(millionths)
    }

    fn travel(&mut self) -> u64 {
        self.network.between(50, 500)
    }

    /// Mostly near a bound, now and then far beyond every one.
    fn delay(&mut self, who: usize) -> u64 {
        let ttl = self.plan.leases[who].config.ttl.as_micros() as u64;
        let far = self.network.one_in(4);
        self.network.below(if far { ttl * 2 } else { ttl / 4 })
    }

    /// The first of those in one process, which share a connection.
    pub fn process_of(&self, who: usize) -> usize {
        let mut first = who;
        while let Some(before) = self.users[first].plan.after {
            first = before;
        }
        first
    }

    pub fn in_process(&self, process: usize) -> Vec<usize> {
        let all = 0..self.users.len();
        all.filter(|who| self.process_of(*who) == process).collect()
    }

    /// What follows over one connection comes no more than what was lost of it.
    fn break_connection(&mut self, who: usize, connection: u32) {
        let process = self.process_of(who);
        if self.in_process(process).len() > 1 {
            self.users[process].broken.insert(connection);
        }
    }

    pub fn send(&mut self, who: usize, request: RunRequest) {
        let faults = self.plan.faults;
        let process = self.process_of(who);
        let user = &self.users[who];
        let connection = self.users[process].connection;
        // A little late, as every timer.
        let overdue = user.plan.clock.when(request.sent_at + request.bound);
        let overdue = overdue + self.network.below(2_000);
        let what = Delivery::Overdue {
            request: request.clone(),
        };
        self.at(overdue, Happening::To(who, what));
        if request.tell_sent {
            let written = self.now + self.network.below(300);
            self.at(written, Happening::Sent(who, connection, request.id));
        }
        if self.strikes(faults.lose) {
            self.break_connection(who, connection);
            return self.count("fault: a request lost");
        }
        let mut at = self.now + self.travel();
        if self.strikes(faults.delay) {
            self.count("fault: a request delayed");
            at += self.delay(who);
        }
        let user = &mut self.users[process];
        // One connection keeps the order.
        at = at.max(user.last_arrival + 1);
        user.last_arrival = at;
        let copied = self.strikes(faults.duplicate);
        let arrive = |copy| Happening::Arrive {
            who,
            connection,
            request: request.clone(),
            copy,
        };
        if copied {
            self.count("fault: a request repeated");
            let later = at + self.delay(who);
            self.at(later, arrive(true));
        }
        self.at(at, arrive(false));
    }

    fn arrive(&mut self, who: usize, connection: u32, request: RunRequest, copy: bool) {
        if self.users[self.process_of(who)]
            .broken
            .contains(&connection)
        {
            return;
        }
        if !self.calm() && self.now < self.silent_until {
            return self.break_connection(who, connection);
        }
        let answer = if !self.calm() && self.now < self.reset_until {
            self.break_connection(who, connection);
            let cause = "reset".into();
            Err(Failure::Unknown { cause })
        } else if self.strikes(self.plan.faults.err) {
            self.count("fault: an error of the store");
            let releases = matches!(request.command, RunCommand::Release { .. });
            self.users[who].release_refused |= releases;
            let cause = "LOADING".into();
            Err(Failure::Refused { cause })
        } else {
            let applied = self.store.apply(self.now, &request.command, copy);
            if let RunOutcome::Held(_) | RunOutcome::Pending(_) = applied.outcome
                && !copy
            {
                self.check_own_release(who);
            }
            self.say(|| format!("    the store: {:?}", applied.outcome));
            if let Some(delay) = applied.released {
                self.publish(delay);
            }
            Ok(applied.outcome)
        };
        // Nobody waits for the answer to a copy.
        if copy {
            return;
        }
        if self.plan.leases[who].deaf || self.strikes(self.plan.faults.lose) {
            return self.count("fault: a reply lost");
        }
        let mut at = self.now + self.travel();
        if self.strikes(self.plan.faults.delay) {
            self.count("fault: a reply delayed");
            at += self.delay(who);
        }
        let tick = self.plan.leases[who].config.tick;
        let holder = tick.and_then(|tick| self.store.holder_of(tick.name));
        let reply = Delivery::Reply {
            connection,
            request,
            answer,
            holder,
        };
        self.at(at, Happening::To(who, reply));
    }

    /// Nobody is refused because of what a run of its own process has not released yet.
    fn check_own_release(&mut self, who: usize) {
        let holder = self.store.unreleased_holder();
        for other in self.in_process(self.process_of(who)) {
            let user = &self.users[other];
            let owes = user.told.released && !user.told.ended && !user.release_refused;
            // A late copy of its acquire may have been granted again, for nobody.
            let held = user.told.granted.map(|token| (user.identity, token));
            if other < who && owes && held.is_some() && held == holder {
                self.hear(Rule::OwnRelease, format!("{who} is held up by {other}"));
            }
        }
    }

    fn publish(&mut self, delay: Duration) {
        for who in 0..self.users.len() {
            if self.strikes(self.plan.faults.lose) {
                continue;
            }
            let mut at = self.now + self.travel();
            if self.strikes(self.plan.faults.delay) {
                at += self.delay(who);
            }
            self.at(at, Happening::To(who, Delivery::Message(delay)));
        }
    }

    pub fn hear(&mut self, rule: Rule, message: String) {
        if !self.plan.family.asserts(rule) {
            return self.count("breaches where the assumptions were broken");
        }
        if self.violation.is_none() && self.heard.contains(&rule) {
            self.say(|| format!("{rule:?} IS BROKEN: {message}"));
            self.violation = Some(Violation { rule, message });
        }
    }

    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub fn say(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:>9} {}", line()));
        }
    }

    /// Everybody was answered, and nothing is kept for one who is gone.
    fn check_end(&mut self) {
        if self.plan.family == Family::Deaf {
            self.check_all_run();
        }
        for who in 0..self.users.len() {
            let user = &self.users[who];
            if user.crashed || !user.asked {
                continue;
            }
            if !user.told.ended {
                self.hear(Rule::Liveness, format!("{who} never ended"));
                continue;
            }
            let took_back =
                user.told.refused.is_some() || user.plan.ending == Ending::Abandon && !user.begun;
            if took_back && let Err(message) = self.nothing_kept(who) {
                self.hear(Rule::Withdraw, message);
            }
        }
    }

    /// Nobody was told that a tick was run which nobody ran.
    fn check_all_run(&mut self) {
        for (tick, who) in std::mem::take(&mut self.refused_as_run) {
            if !self.ran.contains_key(&tick) {
                self.hear(
                    Rule::Willing,
                    format!("nobody ran {tick:?}, and {who} was told that somebody did"),
                );
            }
        }
    }

    fn nothing_kept(&self, who: usize) -> Result<(), String> {
        let user = &self.users[who];
        let Some(granted) = self.store.granted.get(&user.identity) else {
            return Ok(());
        };
        match self.store.withdrawn.get(&user.identity) {
            // Its acquire came after all, and too late to be taken back.
            Some(withdrawn) if granted > withdrawn => return Ok(()),
            // It may have been in vain for a whole ttl, unless all was calm.
            None if user.withdrew && user.plan.at < self.plan.calm_at => return Ok(()),
            None => {
                return Err(format!(
                    "{who} was granted the lease and did not take it back"
                ));
            }
            Some(_) => {}
        }
        let tick = user.plan.config.tick;
        if let Some(tick) = tick
            && self.ran.get(&tick.name) != Some(&who)
            && self.store.tick_is_taken(tick.name)
            && self.store.taker(tick.name).is_none()
        {
            return Err(format!("{who} keeps {:?} and never ran it", tick.name));
        }
        Ok(())
    }
}

/// The local time at which the rules of a lease believe to be.
pub fn local(user: &User, now: u64) -> Time {
    user.plan.clock.local(now)
}

const MOST_STEPS: usize = 20_000;
