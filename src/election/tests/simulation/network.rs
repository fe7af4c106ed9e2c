//! How requests, replies and messages travel.

use super::candidate::{Candidate, Envelope};
use super::draw::Draw;
use super::kind::Kind;
use super::plan::micros;
use super::queue::{Address, Delivery, Happening};
use super::redis::Verb;
use super::world::World;
use crate::election::{Command, Failure, Message, Reply};

impl World {
    /// One way without faults.
    fn travel(&mut self) -> u64 {
        let (fastest, slowest) = self.plan.latency;
        if self.calm {
            return self.latency.between(50, 300);
        }
        self.latency.between(fastest, slowest)
    }

    /// Now and then far beyond every bound, mostly near one.
    fn delay(&mut self, kind: Kind) -> u64 {
        let ttl = micros(&self.plan.longest_ttl());
        let draw = &mut self.network[kind as usize];
        let most = if draw.one_in(4) { ttl * 2 } else { ttl / 4 };
        let delay = draw.below(most);
        if kind.disturbs() {
            self.disturb(delay);
        }
        self.settled_at = self.settled_at.max(self.now + delay);
        delay
    }

    pub fn send(&mut self, envelope: Envelope) {
        let who = envelope.from.who;
        let mut at = self.now + self.travel();
        if !self.candidates[who].link.used {
            // The handshake of a new connection.
            at += 2 * self.travel();
        }
        let link = &mut self.candidates[who].link;
        link.used = true;
        let node = link.node;
        let cut = self.now < link.cut_until;
        let bound = envelope.request.bound;
        let late = self.lateness();
        let overdue = Delivery::Overdue {
            id: envelope.request.id,
            connection: envelope.connection,
        };
        let clock = self.candidates[who].clock;
        let what = Happening::ToCandidate {
            to: envelope.from,
            what: overdue,
        };
        self.queue
            .push(clock.when(envelope.sent + bound) + late, what);

        if self.strikes(Kind::LoseRequest) || cut {
            return;
        }
        if self.strikes(Kind::DelayRequest) {
            at += self.delay(Kind::DelayRequest);
        }
        let link = &mut self.candidates[who].link;
        if link.last_arrival >= at {
            at = link.last_arrival + 1;
        }
        if self.strikes(Kind::ReorderRequest) {
            // What is sent after this may overtake it.
            at += self.delay(Kind::ReorderRequest);
        } else {
            self.candidates[who].link.last_arrival = at;
        }
        if self.strikes(Kind::DuplicateRequest) {
            let later = at + self.delay(Kind::DuplicateRequest);
            let envelope = envelope.clone();
            self.queue.push(later, Happening::Arrive { envelope, node });
        }
        self.queue.push(at, Happening::Arrive { envelope, node });
    }

    /// A request arrives at a server.
    pub fn arrive(&mut self, envelope: Envelope, node: usize) {
        let server = &self.redis.nodes[node];
        if !server.master || self.now < server.down_until {
            self.trace.line(self.now, "redis", || {
                format!("resets the connection of {}", shown(&envelope))
            });
            self.reset(&envelope);
            return;
        }
        if self.now < server.hung_until {
            let until = server.hung_until;
            self.queue.push(until, Happening::Arrive { envelope, node });
            return;
        }
        let refuses = self.now < server.refuses_until;
        let (verb, until) = server.refuses_one;
        let refuses_this = self.now < until && verb == Verb::of(&envelope.request.command);
        let denies = self.now < server.denies_until;
        if refuses || self.strikes(Kind::ErrorAnswer) {
            let cause = "LOADING".into();
            self.answer(envelope, Err(Failure::Refused { cause }));
            return;
        }
        if denies || refuses_this {
            let cause = "NOPERM".into();
            self.answer(envelope, Err(Failure::Denied { cause }));
            return;
        }
        self.execute(envelope, node);
    }

    fn execute(&mut self, envelope: Envelope, node: usize) {
        let who = envelope.from.who;
        let caller = self.candidates[who].name.clone();
        let server = self.redis.server(node, self.now);
        let before = self.redis.nodes[node].register.record(&server);
        let applied = self
            .redis
            .apply(node, self.now, &caller, &envelope.request.command);
        let mut applied = match applied {
            Ok(applied) => applied,
            Err(failure) => return self.answer(envelope, Err(failure)),
        };
        self.trace.line(self.now, "redis", || {
            let record = applied.reply.record.as_ref();
            let record = record.map_or("no record".into(), |record| {
                format!(
                    "{} token {}{}",
                    record.version,
                    record.token,
                    if record.released { " released" } else { "" }
                )
            });
            format!(
                "{} -> {:?}, {record}",
                shown(&envelope),
                applied.reply.outcome
            )
        });
        let writes = applied.message.is_some();
        if let Some(message) = applied.message {
            self.judge_write(&envelope, applied.reply.outcome, before.as_ref(), &message);
            self.forge(node, &envelope, &message);
            let mut others = self.publish(node, &message, false);
            if self.candidates[who].link.subscribed {
                others = others.saturating_sub(1);
            }
            applied.reply.listeners = Some(others);
        }
        let reply = applied.reply;
        match self.plan.confirmed_after {
            Some(after) if writes => {
                let at = self.now + after;
                self.queue.push(
                    at,
                    Happening::Confirm {
                        envelope,
                        reign: (node == self.redis.active).then_some(self.redis.reign),
                        reply,
                    },
                );
            }
            _ => self.answer(envelope, Ok(reply)),
        }
    }

    /// WAIT has come to an end: all replicas have the write, or there was a failover.
    pub fn confirm(&mut self, envelope: Envelope, reign: Option<u64>, reply: Reply) {
        if reign == Some(self.redis.reign) {
            return self.answer(envelope, Ok(reply));
        }
        self.statistics.count("writes that WAIT did not confirm");
        let cause = "not confirmed by all replicas".into();
        self.answer(envelope, Err(Failure::Unknown { cause }));
    }

    pub fn publish(&mut self, node: usize, message: &Message, forged: bool) -> u32 {
        let mut receivers = 0;
        for who in 0..self.candidates.len() {
            let candidate = &self.candidates[who];
            let link = candidate.link;
            if !candidate.alive || !link.subscribed || link.node != node {
                continue;
            }
            receivers += 1;
            if self.strikes(Kind::LoseMessage) || self.now < link.cut_until {
                continue;
            }
            let to = self.candidates[who].address;
            let mut at = self.now + self.travel();
            if self.strikes(Kind::DelayMessage) {
                at += self.delay(Kind::DelayMessage);
            }
            let what = Delivery::Message {
                connection: link.connection,
                message: message.clone(),
                forged,
            };
            if self.strikes(Kind::DuplicateMessage) {
                let later = at + self.delay(Kind::DuplicateMessage);
                let what = what.clone();
                self.queue.push(later, Happening::ToCandidate { to, what });
            }
            self.queue.push(at, Happening::ToCandidate { to, what });
        }
        receivers
    }

    fn answer(&mut self, envelope: Envelope, answer: Result<Reply, Failure>) {
        let to = envelope.from;
        let mut at = self.now + self.travel();
        let link = &self.candidates[to.who].link;
        let cut = link.connection == envelope.connection && self.now < link.cut_until;
        if self.strikes(Kind::LoseReply) || cut {
            return;
        }
        if self.strikes(Kind::DelayReply) {
            at += self.delay(Kind::DelayReply);
        }
        let link = &mut self.candidates[to.who].link;
        if link.connection == envelope.connection {
            at = at.max(link.last_reply + 1);
            link.last_reply = at;
        }
        if self.strikes(Kind::LateReply) {
            let later = at + self.delay(Kind::LateReply);
            let what = Delivery::Reply {
                envelope: envelope.clone(),
                answer: answer.clone(),
                stray: true,
            };
            self.queue.push(later, Happening::ToCandidate { to, what });
        }
        let what = Delivery::Reply {
            envelope,
            answer,
            stray: false,
        };
        self.queue.push(at, Happening::ToCandidate { to, what });
    }

    /// The server closes the connection on which a request came.
    fn reset(&mut self, envelope: &Envelope) {
        let to = envelope.from;
        let at = self.now + self.travel();
        let what = Delivery::Reset {
            connection: envelope.connection,
        };
        self.queue.push(at, Happening::ToCandidate { to, what });
    }

    /// Opens a new connection and subscribes on it.
    pub fn connect(&mut self, who: usize) {
        let at = self.now + 3 * self.travel();
        let candidate = &self.candidates[who];
        let (to, connection) = (candidate.address, candidate.link.connection);
        self.queue.push(at, Happening::Connected { to, connection });
    }

    pub fn connected(&mut self, to: Address, connection: u32) {
        if !self.is_there(to) || self.candidates[to.who].link.connection != connection {
            return;
        }
        let ttl = micros(&self.candidates[to.who].config.ttl);
        let link = self.candidates[to.who].link;
        let node = &self.redis.nodes[link.node];
        let no_server = self.now < node.down_until.max(node.hung_until) || !node.master;
        let refused = self.now < link.no_messages_until && !self.calm;
        if no_server || refused || self.now < link.cut_until {
            self.queue
                .push(self.now + ttl / 8, Happening::Connected { to, connection });
            return;
        }
        self.candidates[to.who].link.subscribed = true;
    }

    /// Everything on the connections of some candidates is over.
    pub fn break_connections(&mut self, which: impl Fn(&Candidate) -> bool) {
        for who in 0..self.candidates.len() {
            if self.candidates[who].alive && which(&self.candidates[who]) {
                self.drop_connection(who);
            }
        }
    }

    /// Whatever was on its way on this connection has an unknown outcome.
    pub fn drop_connection(&mut self, who: usize) {
        let active = self.redis.active;
        let candidate = &mut self.candidates[who];
        let link = &mut candidate.link;
        link.connection += 1;
        link.used = false;
        link.subscribed = false;
        link.last_arrival = 0;
        link.last_reply = 0;
        link.cut_until = 0;
        if !self.redis.nodes[link.node].master {
            link.node = active;
        }
        let pending = std::mem::take(&mut candidate.pending);
        self.connect(who);
        for envelope in pending {
            let cause = "connection lost".into();
            let what = Delivery::Reply {
                envelope,
                answer: Err(Failure::Unknown { cause }),
                stray: true,
            };
            let to = self.candidates[who].address;
            self.queue
                .push(self.now, Happening::ToCandidate { to, what });
        }
    }

    pub fn lateness(&mut self) -> u64 {
        if self.calm {
            return self.latency.below(300);
        }
        let most = self.plan.lateness;
        self.network[Kind::Lateness as usize].below(most + 1)
    }
}

/// A request for people.
pub fn shown(envelope: &Envelope) -> String {
    let short = |identity: &dyn std::fmt::Display| identity.to_string()[..6].to_owned();
    let what = match &envelope.request.command {
        Command::Acquire {
            identity, watched, ..
        } => match watched {
            Some(version) => format!("acquire {} watched {version}", short(identity)),
            None => format!("acquire {}", short(identity)),
        },
        Command::Renew {
            identity,
            token,
            over,
            ..
        } => match over {
            Some(version) => format!("renew {} {token} over {version}", short(identity)),
            None => format!("renew {} {token}", short(identity)),
        },
        Command::Release { identity, .. } => format!("release {}", short(identity)),
        Command::Inspect => "inspect".into(),
        Command::AskToResign { .. } => "ask to resign".into(),
    };
    format!("c{} #{} {what}", envelope.from.who, envelope.request.id)
}
