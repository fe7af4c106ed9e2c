use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::election::{Command, Failure, Random};
use crate::store::{Applied, Field, Register, Server, Tells, mistaken};

/// The imaginary Redis: a master, and a second server that can be promoted.
pub struct Redis {
    pub nodes: [Node; 2],
    /// The master that everybody should use.
    pub active: usize,
    /// Counts the failovers.
    pub reign: u64,
    /// The active register after each write, for roll-backs.
    history: VecDeque<(u64, Register)>,
    random: Random,
    tells: Tells,
}

pub struct Node {
    pub register: Register,
    server: Server,
    started: u64,
    /// Added to the true time.
    wall_offset: i64,
    pub hung_until: u64,
    pub down_until: u64,
    pub refuses_until: u64,
    pub denies_until: u64,
    /// The one command that is refused, and until when.
    pub refuses_one: (Verb, u64),
    /// It answers as a master.
    pub master: bool,
}

/// What a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Acquire,
    Renew,
    Release,
    Inspect,
}

impl Verb {
    pub const ALL: [Verb; 4] = [Verb::Acquire, Verb::Renew, Verb::Release, Verb::Inspect];

    pub fn of(command: &Command) -> Verb {
        match command {
            Command::Acquire { .. } => Verb::Acquire,
            Command::Renew { .. } => Verb::Renew,
            Command::Release { .. } => Verb::Release,
            // Asked by no candidate.
            Command::Inspect | Command::AskToResign { .. } => Verb::Inspect,
        }
    }
}

/// What is left of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    Kept,
    /// As of so many microseconds ago.
    Older(u64),
    /// As it was so many grants and releases ago.
    BeforeChanges(u64),
    Gone,
}

impl Redis {
    pub fn new(mut random: Random, tells: Tells) -> Self {
        let nodes = [0, 1].map(|index| Node {
            register: Register::default(),
            server: mistaken::server(&id(&mut random), &id(&mut random)),
            started: 0,
            wall_offset: WALL_START,
            hung_until: 0,
            down_until: 0,
            refuses_until: 0,
            denies_until: 0,
            refuses_one: (Verb::Acquire, 0),
            master: index == 0,
        });
        Redis {
            nodes,
            active: 0,
            reign: 0,
            history: VecDeque::new(),
            random,
            tells,
        }
    }

    pub fn server(&self, node: usize, at: u64) -> Server {
        let node = &self.nodes[node];
        let mut server = node.server.clone().telling(self.tells);
        server.failover_unsafe = self.tells != Tells::All;
        server.wall_micros = at.saturating_add_signed(node.wall_offset);
        server.uptime = Duration::from_micros(at.saturating_sub(node.started));
        server
    }

    pub fn apply(
        &mut self,
        node: usize,
        at: u64,
        caller: &Arc<str>,
        command: &Command,
    ) -> Result<Applied, Failure> {
        let server = self.server(node, at);
        let applied = mistaken::apply(&mut self.nodes[node].register, &server, caller, command)?;
        if applied.message.is_some() && node == self.active {
            self.remember(at);
        }
        Ok(applied)
    }

    /// When the active register was last written.
    pub fn written_at(&self) -> u64 {
        self.history.back().map_or(0, |(at, _)| *at)
    }

    pub fn lose(&mut self, at: u64) {
        let active = self.active;
        self.nodes[active].register.lose();
        self.remember(at);
    }

    /// Somebody spoils a field of the record.
    pub fn spoil(&mut self, at: u64, field: Field) {
        let active = self.active;
        self.nodes[active].register.spoil(field);
        self.remember(at);
    }

    pub fn step_wall(&mut self, micros: i64) {
        for node in &mut self.nodes {
            node.wall_offset += micros;
        }
    }

    /// The active server starts again: another run id, another replication id.
    pub fn restart(&mut self, at: u64, down_for: u64, data: Data) {
        let register = self.data(at, data);
        let (run_id, replid) = (id(&mut self.random), id(&mut self.random));
        let node = &mut self.nodes[self.active];
        node.register = register;
        node.server = mistaken::server(&run_id, &replid);
        node.started = at + down_for;
        node.down_until = at + down_for;
        node.hung_until = 0;
        self.remember(at);
    }

    /// The other server is promoted: it keeps its own run id and gets another replication id.
    pub fn fail_over(&mut self, at: u64, down_for: u64, data: Data) {
        let register = self.data(at, data);
        let old = self.active;
        let new = 1 - old;
        let mut replid = id(&mut self.random);
        let node = &mut self.nodes[new];
        if self.tells == Tells::ReplidAlone {
            replid = node.server.replid.to_string();
        }
        node.register = register;
        node.server = mistaken::server(&node.server.run_id.clone(), &replid);
        node.server.promoted = true;
        node.down_until = at + down_for;
        node.hung_until = 0;
        node.master = true;
        self.nodes[old].master = false;
        self.active = new;
        self.reign += 1;
        self.remember(at);
    }

    fn data(&self, at: u64, data: Data) -> Register {
        match data {
            Data::Kept => self.nodes[self.active].register.clone(),
            Data::Gone => Register::default(),
            Data::BeforeChanges(changes) => {
                let server = &self.nodes[self.active].server;
                let held = |register: &Register| {
                    let record = register.record(server);
                    record.map(|record| (record.token, record.released))
                };
                let mut last = held(&self.nodes[self.active].register);
                let mut left = changes;
                for (_, register) in self.history.iter().rev() {
                    let this = held(register);
                    if this != last {
                        last = this;
                        left -= 1;
                    }
                    if left == 0 {
                        return register.clone();
                    }
                }
                Register::default()
            }
            Data::Older(micros) => {
                let until = at.saturating_sub(micros);
                let state = self.history.iter().rev().find(|(at, _)| *at <= until);
                state.map_or_else(Register::default, |(_, register)| register.clone())
            }
        }
    }

    fn remember(&mut self, at: u64) {
        self.history
            .push_back((at, self.nodes[self.active].register.clone()));
        if self.history.len() > 200 {
            self.history.pop_front();
        }
    }
}

fn id(random: &mut Random) -> String {
    format!("{:08x}", random.next_u64() as u32)
}

/// November 2026, in microseconds.
const WALL_START: i64 = 1_795_000_000_000_000;
