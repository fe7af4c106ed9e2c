use std::time::Duration;

use crate::election::{Command, Identity, Nonce, Outcome, Record, Token, Version};

/// Ticks from the send of a confirmed request in which its term is believed.
pub const WINDOW: u8 = 2;
/// Ticks from the receipt of what first showed a version until it may be taken over.
pub const RIPE: u8 = 3;

/// A candidate, as PROTOCOL's section on the client says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub index: u8,
    /// How many identities it has used up.
    pub stands: u8,
    pub term: Option<Term>,
    watch: Option<(Version, u8)>,
    floor: Token,
    /// The next renewal goes over this version.
    over: Option<Version>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    pub token: Token,
    /// Ticks until its window ends.
    pub left: u8,
}

/// A command or its reply, with the ticks since it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sent {
    pub from: u8,
    pub identity: Identity,
    pub command: Command,
    pub age: u8,
}

impl Client {
    pub fn new(index: u8) -> Self {
        Client {
            index,
            stands: 0,
            term: None,
            watch: None,
            floor: Token::NONE,
            over: None,
        }
    }

    pub fn identity(&self) -> Identity {
        Identity::new((u128::from(self.index) << 8) | u128::from(self.stands))
    }

    pub fn tick(&mut self) {
        if let Some((_, age)) = &mut self.watch {
            *age = (*age + 1).min(RIPE);
        }
        if let Some(term) = &mut self.term {
            term.left -= 1;
            if term.left == 0 {
                self.stand_anew();
            }
        }
    }

    pub fn stand_anew(&mut self) {
        self.term = None;
        self.over = None;
        self.stands += 1;
    }

    /// Forgets everything.
    pub fn crash(&mut self) {
        self.stand_anew();
        self.watch = None;
        self.floor = Token::NONE;
    }

    /// An acquire, or a renewal of the term in hand. `drawn` stands for the nonce.
    pub fn ask(&mut self, drawn: u64) -> Sent {
        let nonce = self.nonce(drawn);
        let command = match &self.term {
            Some(term) => Command::Renew {
                identity: self.identity(),
                token: term.token,
                ttl: TTL,
                over: self.over.take(),
                nonce,
            },
            None => Command::Acquire {
                identity: self.identity(),
                ttl: TTL,
                floor: self.floor,
                watched: self.ripe(),
                eager: None,
                rank: None,
                nonce,
            },
        };
        self.send(command)
    }

    /// Gives the term up and says so.
    pub fn resign(&mut self, drawn: u64) -> Sent {
        let release = self.send(Command::Release {
            identity: self.identity(),
            listeners: 0,
            reason: None,
            nonce: self.nonce(drawn),
        });
        self.stand_anew();
        release
    }

    fn nonce(&self, drawn: u64) -> Nonce {
        Nonce::new(((u64::from(self.index) << 16) | drawn) << 32)
    }

    fn send(&self, command: Command) -> Sent {
        Sent {
            from: self.index,
            identity: self.identity(),
            command,
            age: 0,
        }
    }

    fn ripe(&self) -> Option<Version> {
        let (version, age) = self.watch.as_ref()?;
        (*age >= RIPE).then(|| version.clone())
    }

    /// The reply to something that this client sent, perhaps long ago.
    pub fn hear(&mut self, sent: &Sent, outcome: Outcome, record: Option<&Record>) {
        let Some(record) = record else { return };
        self.floor = self.floor.max(record.token);
        self.observe(&record.version);
        if sent.identity != self.identity() {
            return;
        }
        let left = WINDOW.saturating_sub(sent.age);
        match (outcome, &mut self.term) {
            (Outcome::Granted, None) if left > 0 => {
                self.term = Some(Term {
                    token: record.token,
                    left,
                });
            }
            (Outcome::Granted, None) => self.stand_anew(),
            (Outcome::Granted | Outcome::Renewed, Some(term)) if term.token == record.token => {
                term.left = term.left.max(left);
            }
            (Outcome::Stale, Some(_)) => self.over = Some(record.version.clone()),
            (Outcome::Lost, Some(_)) => self.stand_anew(),
            _ => {}
        }
    }

    fn observe(&mut self, version: &Version) {
        let known = self.watch.as_ref().is_some_and(|(watched, _)| {
            let same = watched.epoch == version.epoch && watched.incarnation == version.incarnation;
            same && version.seq <= watched.seq
        });
        if !known {
            self.watch = Some((version.clone(), 0));
        }
    }
}

const TTL: Duration = Duration::from_secs(1);
