use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::command::Played;
use super::owner::{Answered, Owner, Told};
use super::plan::{Plan, below};
use super::server::Server;
use crate::election::{Failure, Random, Time};
use crate::store::memory;
use crate::store::unanswered::{SentKind, Unanswered};
use crate::store::waiting_line::{WaitingLine, Waits};

/// One process with its connection, and the store.
pub struct World {
    plan: Plan,
    now: u64,
    /// What the virtual clock counts from.
    start: Instant,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: Vec<Option<Happening>>,
    random: Random,
    owners: Vec<Owner>,
    line: WaitingLine<Played>,
    /// The open connection, if there is one.
    open: Option<Unanswered<Played, ()>>,
    /// Its number, or that of the next one.
    connection: u64,
    /// When something was last answered on it.
    answered_at: u64,
    /// What the process will look at, from when it can.
    inbox: BTreeMap<(u64, u64), Heard>,
    heard: u64,
    /// When each owner is woken.
    wakes: HashMap<usize, u64>,
    /// When the process looks at what has happened, if it will.
    turn_at: Option<u64>,
    server: Server,
    info: memory::Server,
    caller: Arc<str>,
    account: Account,
}

/// How it went.
#[derive(Debug, Default)]
pub struct Account {
    pub granted: u64,
    pub refused: u64,
    pub renewed: u64,
    pub dropped: u64,
    pub broken: Option<Broken>,
}

/// A rule that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    ElectionLost {
        at: u64,
    },
    RunLost {
        at: u64,
    },
    /// A run was neither served nor refused when its time was over.
    RunUnanswered {
        at: u64,
    },
    /// The store could serve all of them in their time, and one was refused.
    RefusedThoughServable {
        at: u64,
    },
    /// A connection was given up on which something had just been answered.
    DroppedThoughAnswering {
        at: u64,
    },
}

enum Happening {
    Election(Duration),
    Crowd(usize),
    Hang(u64),
    Arrives(u64, Box<Played>),
    Done,
    Turn,
    CheckAnswered(usize),
}

/// What the process will look at.
enum Heard {
    /// On the connection with this number.
    Answer(u64, Answered),
    Wake(usize),
    Connected,
}

impl World {
    pub fn new(plan: Plan) -> Self {
        let mut info = memory::Server::new("run", "replid");
        info.uptime = Duration::from_secs(86_400);
        World {
            now: 0,
            start: Instant::now(),
            events: BinaryHeap::new(),
            happenings: Vec::new(),
            random: Random::from_seed(plan.seed),
            owners: Vec::new(),
            line: WaitingLine::default(),
            open: None,
            connection: 0,
            answered_at: 0,
            inbox: BTreeMap::new(),
            heard: 0,
            wakes: HashMap::new(),
            turn_at: None,
            server: Server::default(),
            info,
            caller: "server".into(),
            account: Account::default(),
            plan,
        }
    }

    pub fn run(mut self) -> Account {
        self.connect();
        for (index, ttl) in self.plan.elections.clone().into_iter().enumerate() {
            let at = index as u64 * self.plan.between_elections;
            self.at(at, Happening::Election(ttl));
        }
        for (index, crowd) in self.plan.crowds.clone().into_iter().enumerate() {
            self.at(crowd.at, Happening::Crowd(index));
        }
        for (at, length) in self.plan.hangs.clone() {
            self.at(at, Happening::Hang(at + length));
        }
        while let Some(Reverse((at, number))) = self.events.pop()
            && at <= self.plan.end_at
            && self.account.broken.is_none()
        {
            self.now = at;
            if let Some(happening) = self.happenings[number as usize].take() {
                self.happen(happening);
            }
        }
        self.account
    }

    fn at(&mut self, at: u64, happening: Happening) {
        self.events
            .push(Reverse((at, self.happenings.len() as u64)));
        self.happenings.push(Some(happening));
    }

    fn stream(&mut self) -> Random {
        Random::from_seed(self.random.next_u128())
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_micros(self.now)
    }

    fn time(&self) -> Time {
        Time::from_micros(START + self.now)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Election(ttl) => {
                let random = self.stream();
                self.add(Owner::election(ttl, random));
            }
            Happening::Crowd(index) => {
                let crowd = self.plan.crowds[index].clone();
                for number in 0..crowd.count {
                    let random = self.stream();
                    self.add(Owner::run(&crowd, number, self.time(), random));
                }
            }
            Happening::Hang(until) => self.server.hang(until),
            Happening::Arrives(connection, command) => {
                self.server.arrive(connection, *command);
                self.serve();
            }
            Happening::Done => {
                if let Some((connection, command)) = self.server.finish() {
                    self.info.wall_micros = START + self.now;
                    let owner = &mut self.owners[command.owner];
                    let answer = owner.apply(&command, &self.info, &self.caller);
                    let heard_at = self.now + self.plan.away;
                    self.look(heard_at, Heard::Answer(connection, answer));
                }
                self.serve();
            }
            Happening::Turn => self.turn(),
            Happening::CheckAnswered(owner) => {
                if !self.owners[owner].is_answered() {
                    self.break_rule(Broken::RunUnanswered { at: self.now });
                }
            }
        }
    }

    fn serve(&mut self) {
        let per_second = match self.now < self.plan.strained_at {
            true => 5 * self.plan.per_second,
            false => self.plan.per_second,
        };
        if let Some(at) = self.server.begin(self.now, per_second) {
            self.at(at, Happening::Done);
        }
    }

    /// The process looks at it then, or a little later.
    fn look(&mut self, at: u64, heard: Heard) {
        self.heard += 1;
        self.inbox.insert((at, self.heard), heard);
        let late = below(&mut self.random, self.plan.late + 1);
        self.turn_by(at + late);
    }

    fn turn_by(&mut self, at: u64) {
        if self.turn_at.is_none_or(|known| at < known) {
            self.turn_at = Some(at);
            self.at(at, Happening::Turn);
        }
    }

    fn turn(&mut self) {
        if self.turn_at != Some(self.now) {
            return;
        }
        self.turn_at = None;
        let later = self.inbox.split_off(&(self.now + 1, 0));
        let before = std::mem::replace(&mut self.inbox, later);
        let heard = before
            .values()
            .any(|heard| matches!(heard, Heard::Answer(..)));
        for heard in before.into_values() {
            self.hear(heard);
        }
        self.expire();
        self.send(heard);
        let waiting = [
            self.open.as_ref().and_then(Unanswered::next_due),
            self.line.next_due(self.open.is_some()),
        ];
        let due = waiting.into_iter().flatten().min();
        let due = due.map(|due| (due - self.start).as_micros() as u64);
        let looked = self.inbox.keys().map(|(at, _)| *at).next();
        if let Some(next) = looked.into_iter().chain(due).min() {
            self.turn_by(next.max(self.now + 1_000));
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Wake(owner) => {
                let now = self.time();
                if self.owners[owner].wakes_at().is_some_and(|at| at <= now) {
                    self.owners[owner].wake(now);
                }
                self.follow(owner);
            }
            Heard::Answer(connection, answer) => {
                let now = self.instant();
                if connection == self.connection
                    && let Some(open) = &mut self.open
                    && let Some(SentKind::Script { ask, .. }) = open.pop(now)
                {
                    self.answered_at = self.now;
                    if let Some(ask) = ask {
                        self.tell(ask, Ok(answer));
                    }
                }
            }
            Heard::Connected => {
                self.connection += 1;
                self.answered_at = self.now;
                self.open = Some(Unanswered::new(self.instant()));
            }
        }
    }

    fn tell(&mut self, ask: Played, answer: Result<Answered, Failure>) {
        let (owner, now) = (ask.owner, self.time());
        self.owners[owner].hear(now, ask, answer);
        self.follow(owner);
    }

    fn add(&mut self, mut owner: Owner) {
        owner.begin(self.time());
        if let Some(by) = owner.answered_by() {
            let at = by.as_micros() - START + 10_000 + self.plan.late;
            self.at(at, Happening::CheckAnswered(self.owners.len()));
        }
        self.owners.push(owner);
        self.follow(self.owners.len() - 1);
        self.turn_by(self.now);
    }

    /// What an owner wants now.
    fn follow(&mut self, owner: usize) {
        let now = self.time();
        let (asked, told) = self.owners[owner].outputs(now);
        for told in told {
            self.judge(owner, told);
        }
        for what in asked {
            self.line.push(Played::new(owner, what, self.instant()));
        }
        if let Some(at) = self.owners[owner].wakes_at() {
            let at = at.as_micros().saturating_sub(START);
            if self
                .wakes
                .get(&owner)
                .is_none_or(|known| *known <= self.now || at < *known)
            {
                self.wakes.insert(owner, at);
                self.look(at.max(self.now), Heard::Wake(owner));
            }
        }
    }

    fn judge(&mut self, owner: usize, told: Told) {
        let at = self.now;
        match told {
            Told::Granted => self.account.granted += 1,
            Told::Renewed => self.account.renewed += 1,
            Told::Refused => {
                self.account.refused += 1;
                if self.owners[owner].fits() {
                    self.break_rule(Broken::RefusedThoughServable { at });
                }
            }
            Told::Lost => self.break_rule(match self.owners[owner] {
                Owner::Election { .. } => Broken::ElectionLost { at },
                Owner::Run { .. } => Broken::RunLost { at },
            }),
        }
    }

    fn break_rule(&mut self, broken: Broken) {
        self.account.broken.get_or_insert(broken);
    }

    /// As the engine does.
    fn expire(&mut self) {
        let now = self.instant();
        if let Some(open) = &mut self.open {
            let late = open.take_late(now);
            let doubt = open.doubt().filter(|doubt| doubt.at <= now);
            for ask in late {
                self.tell(ask, Err(unknown()));
            }
            if doubt.is_some() {
                self.lose();
            }
        }
        while let Some(ask) = self.line.pop_late(now, self.open.is_some()) {
            self.tell(ask, Err(refused()));
        }
    }

    fn lose(&mut self) {
        self.account.dropped += 1;
        let at = self.now;
        if at < self.answered_at + SHORTEST_DOUBT {
            self.break_rule(Broken::DroppedThoughAnswering { at });
        }
        let lost = self.open.take().into_iter().flat_map(Unanswered::into_asks);
        for ask in lost.collect::<Vec<_>>() {
            self.tell(ask, Err(unknown()));
        }
        self.connect();
    }

    fn connect(&mut self) {
        let takes = 50_000 + 6 * self.plan.away;
        self.look(self.now + takes, Heard::Connected);
    }

    fn send(&mut self, heard: bool) {
        let now = self.instant();
        let Some(open) = &mut self.open else {
            return;
        };
        if heard {
            open.settle(now);
        }
        let (mut sent, mut late) = (Vec::new(), Vec::new());
        while let Some(ask) = open.admit(&mut self.line, now) {
            if ask.times().deadline() <= now {
                late.push(ask);
            } else {
                sent.push(ask.clone());
                open.push_script(ask, true, now);
            }
        }
        let arrives_at = self.now + self.plan.away;
        for ask in sent {
            self.at(
                arrives_at,
                Happening::Arrives(self.connection, Box::new(ask)),
            );
        }
        for ask in late {
            self.tell(ask, Err(refused()));
        }
    }
}

fn unknown() -> Failure {
    let cause = "no answer".into();
    Failure::Unknown { cause }
}

fn refused() -> Failure {
    let cause = "not sent".into();
    Failure::Refused { cause }
}

/// Where the clock begins, in microseconds.
const START: u64 = 1_795_000_000_000_000;
/// On a connection that is given up nothing was answered to any caller for as long.
const SHORTEST_DOUBT: u64 = 45_000;
