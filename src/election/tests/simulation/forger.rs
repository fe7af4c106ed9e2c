//! Somebody who hears every message and publishes others: a person, or another election whose messages
//! come by mistake.

use super::candidate::Envelope;
use super::draw::Draw;
use super::kind::Kind;
use super::plan::micros;
use super::queue::Happening;
use super::world::World;
use crate::election::{Identity, Message, Nonce, Record, Token, WriteKind};

#[derive(Default)]
pub struct Forger {
    heard: Vec<Message>,
    /// The election of another database.
    foreign: Option<Record>,
    /// The network repeats this command when the next has been executed; that is foretold.
    repeated: Option<Envelope>,
}

impl World {
    /// What `envelope` asked for is about to be published.
    pub fn forge(&mut self, node: usize, envelope: &Envelope, message: &Message) {
        self.repeat(node);
        let strikes = self.strikes(Kind::Forge);
        if self.plan.intensity[Kind::Forge as usize] > 0 {
            self.forger.heard.push(message.clone());
        }
        if !strikes {
            return;
        }
        let ttl = micros(&self.plan.longest_ttl());
        let draw = &mut self.network[Kind::Forge as usize];
        let times = if draw.one_in(8) { 40 } else { 1 };
        for _ in 0..times {
            let forged = self.forged(message);
            let after = self.network[Kind::Forge as usize].below(ttl / 3);
            let message = forged;
            self.queue
                .push(self.now + after, Happening::Forged { node, message });
        }
        if self.plan.intensity[Kind::DuplicateRequest as usize] > 0 {
            self.foretell(node, envelope, message);
        }
    }

    /// Announces the version that this command leads to when it is executed again after the next one.
    fn foretell(&mut self, node: usize, envelope: &Envelope, message: &Message) {
        let mut message = message.clone();
        message.record.version.seq += 2;
        self.queue
            .push(self.now, Happening::Forged { node, message });
        self.forger.repeated = Some(envelope.clone());
    }

    fn repeat(&mut self, node: usize) {
        let Some(envelope) = self.forger.repeated.take().filter(|_| !self.calm) else {
            return;
        };
        self.disturb(0);
        let at = self.now + self.network[Kind::Forge as usize].below(5_000);
        self.queue.push(at, Happening::Arrive { envelope, node });
    }

    fn forged(&mut self, heard: &Message) -> Message {
        let draw = &mut self.network[Kind::Forge as usize];
        let mut message = heard.clone();
        let record = &mut message.record;
        let next = record.version.seq + draw.between(1, 2);
        let guess = Nonce::new(draw.next_u64());
        match draw.below(7) {
            0 => {
                let which = draw.below(self.forger.heard.len() as u64) as usize;
                return self.forger.heard[which].clone();
            }
            // The most harmful: a watch begins before what it watches is written.
            1 | 2 => {
                record.version.seq = next;
                if draw.one_in(2) {
                    record.nonce = guess;
                }
                message.change = WriteKind::Renewed;
            }
            3 => {
                record.token = Token::MAX;
                if draw.one_in(2) {
                    record.version.seq = Token::MAX.get();
                }
                record.nonce = guess;
            }
            4 => {
                record.version.seq = next;
                record.released = true;
                message.change = WriteKind::Released;
                message.listeners = draw.below(2_000) as u32;
            }
            5 => {
                let who = draw.below(self.candidates.len() as u64) as usize;
                let known = self.candidates[who].identities.iter().next().copied();
                record.version.seq = next;
                record.released = false;
                record.holder = known.or(Some(Identity::new(7)));
                record.server = "forger".into();
                message.change = WriteKind::Granted;
            }
            _ => {
                let foreign = self.forger.foreign.get_or_insert_with(|| {
                    let mut record = record.clone();
                    record.version.epoch ^= 1;
                    record.holder = Some(Identity::new(8));
                    record.server = "stranger".into();
                    record
                });
                foreign.version.seq += 1;
                foreign.nonce = guess;
                message.record = foreign.clone();
                message.change = WriteKind::Renewed;
            }
        }
        message
    }
}
