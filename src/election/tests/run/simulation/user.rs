//! One run of a job: the loop around its lease, and a caller that asked for it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::plan::{Ending, LeasePlan};
use super::rules::Rule;
use super::stream;
use super::told::Told;
use super::world::{Delivery, Happening, World, local};
use crate::election::run::{
    Refusal, RunCommand, RunConfig, RunLease, RunOutcome, RunOutput, RunRequest,
};
use crate::election::{Failure, Identity, Random, Time};

pub struct User {
    pub lease: RunLease,
    pub identity: Identity,
    pub plan: LeasePlan,
    pub told: Told,
    /// Of the first of those that share one.
    pub connection: u32,
    pub last_arrival: u64,
    /// Nothing that is sent over these connections arrives any more.
    pub broken: HashSet<u32>,
    /// Sent over the present connection and not answered.
    pending: HashMap<u64, RunRequest>,
    pub frozen_until: u64,
    pub was_frozen: bool,
    pub deferred: Vec<Happening>,
    pub crashed: bool,
    pub withdrew: bool,
    /// Its run has begun.
    pub begun: bool,
    /// When it heard first that its tick is pending, and how often.
    pending_since: Option<Time>,
    looks: u64,
    /// Who held the lease for its tick when the store gave the answer that it heard last.
    holder_then: Option<Identity>,
    pub asked: bool,
    asked_at: Time,
    /// The store has refused its release, for a reason of the store's.
    pub release_refused: bool,
    wakes_at: Option<Time>,
    sent: u64,
}

impl User {
    pub fn new(seed: u64, who: u64, plan: &LeasePlan) -> Self {
        let random = stream(seed, 2 + who);
        User {
            identity: identity_of(plan.config.clone(), random.clone()),
            lease: RunLease::new(plan.config.clone(), random),
            plan: plan.clone(),
            told: Told::default(),
            connection: 0,
            last_arrival: 0,
            broken: HashSet::new(),
            pending: HashMap::new(),
            frozen_until: 0,
            was_frozen: false,
            deferred: Vec::new(),
            crashed: false,
            withdrew: false,
            begun: false,
            pending_since: None,
            looks: 0,
            holder_then: None,
            asked: false,
            asked_at: Time::ZERO,
            release_refused: false,
            wakes_at: None,
            sent: 0,
        }
    }
}

/// The identity that such a lease asks with.
fn identity_of(config: RunConfig, random: Random) -> Identity {
    let mut lease = RunLease::new(config, random);
    lease.acquire(Time::ZERO);
    match lease.poll_output() {
        Some(RunOutput::Send(request)) => request.command.identity(),
        other => panic!("nothing was asked: {other:?}"),
    }
}

impl World<'_> {
    /// Something reaches a process that is awake.
    pub fn reach(&mut self, who: usize, happening: Happening) {
        let now = local(&self.users[who], self.now);
        let user = &mut self.users[who];
        if self.plan.time_first && user.lease.poll_timeout().is_some_and(|at| at <= now) {
            user.lease.handle_timeout(now);
            self.drain(who, None);
        }
        let present = self.users[self.process_of(who)].connection;
        let user = &mut self.users[who];
        let mut heard = None;
        match happening {
            Happening::Ask(_) => {
                user.asked = true;
                user.asked_at = now;
                user.plan.at = self.now;
                user.lease.acquire(now);
            }
            // Nobody gives up what has been granted before its run has begun.
            Happening::GiveUp(_) if user.begun || !user.told.answered() => {
                user.told.done = true;
                user.lease.abandon(now);
            }
            Happening::GiveUp(_) => {}
            Happening::Notice(_) => return self.notice(who, now),
            Happening::Over(_) => {
                let first = !std::mem::replace(&mut user.told.done, true);
                let window_end = user
                    .told
                    .step_down_at
                    .map(|at| at + user.plan.config.ttl / 5);
                user.told.released_by = user.told.released_by.or(window_end.max(Some(now)));
                user.lease.release(now);
                if first && user.told.lost {
                    self.count("released after a loss");
                }
            }
            Happening::Befall(_) => return self.befall_run(who, now),
            Happening::Sent(_, connection, id) if connection == present => {
                user.lease.handle_sent(now, id);
            }
            // Perhaps for nothing: its timer has been moved since.
            Happening::Wake(_) => user.lease.handle_timeout(now),
            Happening::To(_, Delivery::Message(delay)) => user.lease.handle_message(now, delay),
            Happening::To(
                _,
                Delivery::Reply {
                    connection,
                    request,
                    answer,
                    holder,
                },
            ) => {
                user.holder_then = holder;
                // What comes over a connection that was dropped reaches nobody.
                if connection != present || user.pending.remove(&request.id).is_none() {
                    return;
                }
                if let Err(Failure::Unknown { .. }) = &answer {
                    return self.drop_connection(who, now, Some(request));
                }
                let own = request.sent_at + own_term(&user.plan);
                heard = Some(own);
                if matches!(answer, Ok(RunOutcome::Pending(_))) {
                    user.pending_since.get_or_insert(now);
                    user.looks += 1;
                }
                let granted = matches!(answer, Ok(RunOutcome::Granted { .. }));
                let late = granted && own <= now && !user.told.answered();
                user.lease.handle_reply(now, request, answer);
                if late {
                    self.count("a late grant");
                }
            }
            Happening::To(_, Delivery::Overdue { request })
                if user.pending.remove(&request.id).is_some() =>
            {
                return self.drop_connection(who, now, Some(request));
            }
            _ => {}
        }
        self.drain(who, heard);
    }

    /// All that was under way over the connection has an unknown outcome.
    fn drop_connection(&mut self, who: usize, now: Time, first: Option<RunRequest>) {
        let process = self.process_of(who);
        self.users[process].connection += 1;
        self.users[process].last_arrival = self.now;
        let mut lost: Vec<_> = first.into_iter().map(|request| (who, request)).collect();
        for one in self.in_process(process) {
            let pending = self.users[one].pending.drain();
            lost.extend(pending.map(|(_, request)| (one, request)));
        }
        lost.sort_by_key(|(one, request)| (request.sent_at, *one, request.id));
        for (one, request) in lost {
            let cause = "timed out".into();
            let answer = Err(Failure::Unknown { cause });
            self.users[one].lease.handle_reply(now, request, answer);
            self.drain(one, None);
        }
    }

    fn befall_run(&mut self, who: usize, now: Time) {
        let user = &mut self.users[who];
        match user.plan.ending {
            Ending::Overrun => {
                user.told.overrun |= user.told.holds();
                user.lease.overrun();
            }
            Ending::Stall => user.lease.stall(now),
            Ending::Crash => user.crashed = true,
            Ending::Release | Ending::Abandon => {}
        }
        self.drain(who, None);
    }

    /// Somebody looks whether the lease is held, before anything else is done.
    pub fn look(&mut self, who: usize) {
        let user = &mut self.users[who];
        let now = local(user, self.now);
        if user.told.holds() && user.told.step_down_at.is_some_and(|at| at <= now) {
            user.told.seen_over = true;
            user.lease.handle_expired();
            self.drain(who, None);
        }
    }

    /// Does what the rules want done. `heard`: what the answer that they were told is good for.
    fn drain(&mut self, who: usize, heard: Option<Time>) {
        let now = local(&self.users[who], self.now);
        while let Some(output) = self.users[who].lease.poll_output() {
            self.say(|| format!("    {who} at {now:?}: {output:?}"));
            if let Err((rule, message)) = self.users[who].told.hear(now, heard, &output) {
                self.hear(rule, format!("{who}: {message}"));
            }
            self.carry_out(who, now, output);
        }
        if let Err((rule, message)) = self.users[who].told.overdue(now) {
            // Its own timer is in time.
            if self.users[who]
                .lease
                .poll_timeout()
                .is_none_or(|at| at > now)
            {
                self.hear(rule, format!("{who}: {message}"));
            }
        }
        let user = &mut self.users[who];
        let wakes_at = user.lease.poll_timeout();
        if wakes_at != user.wakes_at {
            user.wakes_at = wakes_at;
            if let Some(at) = wakes_at {
                let at = user.plan.clock.when(at);
                let late = self.network.below(1_000);
                self.at(at + late, Happening::Wake(who));
            }
        }
    }

    fn carry_out(&mut self, who: usize, now: Time, output: RunOutput) {
        match output {
            RunOutput::Send(request) => {
                let user = &mut self.users[who];
                user.sent += 1;
                let leaves = matches!(
                    request.command,
                    RunCommand::Release { .. } | RunCommand::Withdraw { .. }
                );
                let withdraws = matches!(request.command, RunCommand::Withdraw { .. });
                user.withdrew |= withdraws;
                let (begun, most) = (user.begun, longest_question(&user.plan));
                if withdraws && begun {
                    self.hear(Rule::Willing, format!("{who} takes back what it runs"));
                }
                if matches!(request.command, RunCommand::Renew { .. }) && !begun {
                    self.hear(Rule::Willing, format!("{who} renews what nobody has taken"));
                }
                let asks = matches!(request.command, RunCommand::Acquire { .. });
                if asks {
                    self.hasten_others(who, now);
                }
                if asks && request.bound > most {
                    let bound = request.bound;
                    self.hear(Rule::Liveness, format!("{who} asks for {bound:?} at once"));
                }
                let user = &mut self.users[who];
                user.pending.insert(request.id, request.clone());
                // Who gives the lease back holds it no more.
                if leaves {
                    self.windows.retain(|(one, _)| *one != who);
                }
                if request.id > 1 && matches!(request.command, RunCommand::Acquire { .. }) {
                    self.count("asked again");
                }
                self.send(who, request);
            }
            RunOutput::Granted(grant) => {
                self.count("told of a grant");
                self.check_in_time(who, now);
                self.open_window(who, grant.step_down_at);
                let (after, ending) = {
                    let plan = &self.users[who].plan;
                    (plan.notices_after, plan.ending)
                };
                self.at(self.now + after, Happening::Notice(who));
                if after > 0 && ending == Ending::Stall {
                    self.at(self.now + after / 2, Happening::Befall(who));
                }
            }
            RunOutput::Extended { step_down_at } => {
                self.count("extended");
                self.open_window(who, step_down_at);
            }
            RunOutput::Refused(refusal) => {
                self.check_in_time(who, now);
                if refusal == Refusal::Ran {
                    self.check_willing(who, now);
                }
                self.count(match refusal {
                    Refusal::Held => "refused: held",
                    Refusal::Ran => "refused: ran",
                    Refusal::Unavailable { .. } => "refused: unavailable",
                    Refusal::Denied { .. } => "refused: denied",
                    Refusal::Abandoned => "refused: abandoned",
                });
            }
            RunOutput::Lost(end) => {
                self.count(reason_word(end.reason));
                if let Some(after) = self.users[who].plan.heeds_after
                    && self.users[who].begun
                {
                    let at = self.now + after;
                    self.at(at, Happening::Over(who));
                }
            }
            RunOutput::Released => {
                let next = self
                    .users
                    .iter()
                    .position(|user| user.plan.after == Some(who));
                if let Some(next) = next {
                    self.count("asked behind a release of its own process");
                    self.at(self.now, Happening::Ask(next));
                }
            }
            RunOutput::LongRun { .. } | RunOutput::Ended => {}
        }
    }

    /// What was not confirmed of others in its process goes before its question.
    fn hasten_others(&mut self, who: usize, now: Time) {
        for other in self.in_process(self.process_of(who)) {
            if other != who && self.users[other].told.released {
                self.users[other].lease.hasten(now);
                self.drain(other, None);
            }
        }
    }

    fn open_window(&mut self, who: usize, step_down_at: Time) {
        let config = &self.users[who].plan.config;
        let after = config.window().saturating_sub(config.term());
        let clock = self.users[who].plan.clock;
        let until = clock.when(step_down_at + after);
        let now = self.now;
        self.windows
            .retain(|(one, until)| *one != who && *until > now);
        if let Some((other, until)) = self.windows.first().copied() {
            self.hear(
                Rule::R1,
                format!("{who} holds while the window of {other} is open until {until}"),
            );
        }
        self.windows.push((who, until));
    }

    /// The event loop sees that the lease was granted, and looks whether that still holds.
    fn notice(&mut self, who: usize, now: Time) {
        let user = &mut self.users[who];
        if user.told.done || user.told.ended {
            return;
        }
        if user.plan.ending == Ending::Abandon {
            user.told.done = true;
            user.lease.abandon(now);
            return self.drain(who, None);
        }
        let until = user.told.step_down_at;
        let least = user.plan.config.least_to_begin();
        if user.told.holds() && until.is_some_and(|until| now + least <= until) {
            user.begun = true;
            user.lease.begin(now);
            self.begin_run(who);
            return self.drain(who, None);
        }
        user.lease.handle_timeout(now);
        self.drain(who, None);
        self.count("missed");
        let user = &mut self.users[who];
        user.told.missed();
        // The loop turns by now.
        user.plan.notices_after = 0;
        user.asked_at = now;
        user.sent = 0;
        user.looks = 0;
        user.lease.miss(now);
        self.drain(who, None);
    }

    /// It is told that its tick was run, or is being run.
    fn check_willing(&mut self, who: usize, now: Time) {
        let user = &self.users[who];
        let Some(tick) = user.plan.config.tick else {
            return;
        };
        self.refused_as_run.push((tick.name, who));
        let waited = user.pending_since.map(|since| now.since(since));
        if waited.is_some_and(|waited| waited >= user.plan.config.acquire_timeout) {
            return self.count("a pending tick is waited for in vain");
        }
        let holder = user.holder_then;
        let begun = self
            .users
            .iter()
            .any(|user| user.begun && Some(user.identity) == holder);
        if holder.is_some() && !begun {
            let tick = tick.name;
            self.hear(
                Rule::Willing,
                format!("{who} is told that {tick:?} has run, which has not begun"),
            );
        }
    }

    fn begin_run(&mut self, who: usize) {
        let user = &mut self.users[who];
        let (takes, ending, tick) = (user.plan.takes, user.plan.ending, user.plan.config.tick);
        if let Some(tick) = tick
            && let Some(other) = self.ran.insert(tick.name, who)
        {
            self.hear(
                Rule::Tick,
                format!("{who} runs {:?} after {other}", tick.name),
            );
        }
        if tick.is_some() && self.users[who].pending_since.is_some() {
            self.count("a tick that was taken back is run by another");
        }
        let over = self.now + takes;
        self.at(over, Happening::Over(who));
        if ending != Ending::Release {
            let at = self.now + takes / 2;
            self.at(at, Happening::Befall(who));
        }
    }

    /// Nobody waits for an answer for longer than asked for, nor asks all the time.
    fn check_in_time(&mut self, who: usize, now: Time) {
        let user = &self.users[who];
        let config = &user.plan.config;
        let mut latest = user.asked_at + config.wait + config.acquire_timeout + LATENESS;
        if user.pending_since.is_some() {
            latest = latest + config.patience() + config.acquire_timeout;
        }
        let late = now > latest && !user.was_frozen;
        let asked_for = now.since(user.asked_at).as_micros();
        let pauses = asked_for / (config.ttl / 24).as_micros();
        let heard = 4 * (1 + asked_for / config.release_interval().as_micros());
        let looks = 8 + asked_for / (config.longest_look() / 2).as_micros();
        let sent = user.sent;
        let busy = u128::from(sent - user.looks.min(sent)) > 8 + pauses + heard
            || u128::from(user.looks) > looks + heard;
        if late {
            self.hear(Rule::Liveness, format!("{who} is answered at {now:?} only"));
        }
        if busy {
            self.hear(Rule::Liveness, format!("{who} asked {sent} times"));
        }
    }
}

fn reason_word(reason: crate::election::Reason) -> &'static str {
    match reason {
        crate::election::Reason::StoreLost => "lost: store-lost",
        crate::election::Reason::Expired => "lost: expired",
        crate::election::Reason::Superseded => "lost: superseded",
        _ => "lost: stalled",
    }
}

/// What a window and its step-down margin come to (the figures of docs/protocol.md, not the code's).
fn own_term(plan: &LeasePlan) -> Duration {
    let ttl = plan.config.ttl;
    ttl * 98 / 100 - Duration::from_millis(20) - ttl / 5
}

/// What one question may take of its caller's time (the figures of docs/protocol.md, not the code's).
fn longest_question(plan: &LeasePlan) -> Duration {
    (plan.config.acquire_timeout / 3).max(Duration::from_millis(100))
}

const LATENESS: Duration = Duration::from_millis(5);
