use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::Server;
use super::standing_ranks::StandingRanks;
use crate::election::{
    Command, Failure, Identity, Message, Nonce, Outcome, Rank, Record, Reply, Token, UNTOLD,
    Version, WriteKind,
};

#[cfg(test)]
pub mod mistaken;

/// The one record of an election and the operations that the scripts do on it.
///
/// Plain data: a clone is a snapshot, which the simulation rolls back to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Register {
    record: Option<Stored>,
    /// What can still be read where there is no record: a field of it was spoilt.
    remains: Option<Remains>,
}

/// A field that somebody spoils.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Token,
    /// The token becomes a number above [`Token::MAX`].
    TokenBeyondAll,
    Identity,
    /// `seq`, `epoch`, `run`, `nonce`, `released` or `ttl`.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Remains {
    token: Token,
    token_beyond_all: bool,
    holder: Option<Identity>,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its `listeners` are for the store to fill in: it knows who received the message.
    pub reply: Reply,
    /// What was published, where something was written.
    pub message: Option<Message>,
}

/// What a command finds.
enum Found {
    Record,
    Remains(Remains),
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Stored {
    token: Token,
    holder: Option<Identity>,
    server: Arc<str>,
    seq: u64,
    epoch: u64,
    incarnation: Arc<str>,
    nonce: Nonce,
    released: bool,
    ttl: Duration,
    standing: StandingRanks,
    asked: Option<Token>,
}

impl Register {
    /// Does what the scripts do with `command`, sent by the server called `caller`.
    ///
    /// Fails as [`Failure::Denied`], with nothing written, where the token is at its limit or beyond, or the
    /// incarnation is not told and the caller cannot do without it.
    pub fn apply(
        &mut self,
        server: &Server,
        caller: &Arc<str>,
        command: &Command,
    ) -> Result<Applied, Failure> {
        let asker = match command {
            Command::Renew { identity, .. } | Command::Release { identity, .. } => Some(*identity),
            Command::Acquire { .. } | Command::Inspect | Command::AskToResign { .. } => None,
        };
        if let Some(remains) = &self.remains
            && remains.token_beyond_all
            && (asker.is_none() || remains.holder != asker)
        {
            return Err(Failure::Denied {
                cause: "the token is beyond its limit".into(),
            });
        }
        let record = self.record.as_ref();
        let untold = record.is_some_and(|stored| stored.incarnation.starts_with(UNTOLD));
        if (untold || server.is_untold()) && !server.failover_unsafe {
            return Err(Failure::Denied {
                cause: "not without failoverUnsafe".into(),
            });
        }
        match command {
            Command::Acquire { .. } => self.acquire(server, caller, command),
            Command::Renew { .. } => Ok(self.renew(server, caller, command)),
            Command::Release { .. } => Ok(self.release(server, command)),
            Command::Inspect => Ok(self.unchanged(server, Outcome::Seen)),
            Command::AskToResign { token } => Ok(self.ask_to_resign(server, *token)),
        }
    }

    /// The record as a reply of `server` shows it.
    pub fn record(&self, server: &Server) -> Option<Record> {
        self.record.as_ref().map(|stored| stored.shown(server))
    }

    /// Loses the record: flushed, evicted, or another's empty data.
    pub fn lose(&mut self) {
        *self = Register::default();
    }

    /// Makes a field of the record unreadable.
    pub fn spoil(&mut self, field: Field) {
        let stored = self.record.take().map(|stored| Remains {
            token: stored.token,
            token_beyond_all: false,
            holder: stored.holder,
        });
        let Some(mut remains) = stored.or(self.remains.take()) else {
            return;
        };
        match field {
            Field::Token | Field::TokenBeyondAll => {
                remains.token = Token::NONE;
                remains.token_beyond_all = field == Field::TokenBeyondAll;
            }
            Field::Identity => remains.holder = None,
            Field::Other => (),
        }
        self.remains = Some(remains);
    }

    /// A person has to fix it before anybody else can be granted it.
    pub fn is_beyond_all(&self) -> bool {
        self.remains
            .as_ref()
            .is_some_and(|remains| remains.token_beyond_all)
    }

    /// The record, and what is left of it where it is missing: then it is created.
    fn record_or_remains(
        &mut self,
        server: &Server,
        ttl: Duration,
        nonce: Nonce,
    ) -> (&mut Stored, Found) {
        let found = match (&self.record, self.remains.take()) {
            (Some(_), _) => Found::Record,
            (None, None) => Found::Nothing,
            (None, Some(remains)) => Found::Remains(remains),
        };
        let stored = self.record.get_or_insert_with(|| {
            let mut stored = Stored::created(server, ttl, nonce);
            if let Found::Remains(remains) = &found {
                stored.token = remains.token;
            }
            stored
        });
        (stored, found)
    }

    fn acquire(
        &mut self,
        server: &Server,
        caller: &Arc<str>,
        command: &Command,
    ) -> Result<Applied, Failure> {
        let &Command::Acquire {
            identity,
            ttl,
            floor,
            ref watched,
            eager,
            ref rank,
            signs,
            nonce,
        } = command
        else {
            unreachable!("an acquire")
        };
        let before = self.remains.clone();
        let (stored, found) = self.record_or_remains(server, ttl, nonce);
        let created = !matches!(found, Found::Record);
        let same_incarnation = stored.incarnation == *server.incarnation();
        let mine = stored.holder == Some(identity);
        // Where not, any of it may have come back with an older state.
        let told = !server.is_untold();

        if told && mine && !stored.released && same_incarnation {
            // The reply to our grant was lost.
            stored.ttl = ttl;
            stored.server = caller.clone();
            stored.standing.remove(rank);
            stored.count(server, nonce);
            return Ok(self.written(server, Outcome::Granted, WriteKind::Granted));
        }
        // A late duplicate of the term just released must not take it again.
        let free = told && stored.released && same_incarnation && !mine;
        // One that cannot be read may have a holder.
        let absent = told && matches!(found, Found::Nothing);
        let at_once = absent && eager.is_some_and(|longer| server.has_settled(longer));
        let ripe = watched.as_ref() == Some(&stored.version(server));
        if !(free || at_once || ripe) {
            let applied = if created {
                self.written(server, Outcome::Refused, WriteKind::Created)
            } else {
                self.unchanged(server, Outcome::Refused)
            };
            if let Some(stored) = self.record.as_mut().filter(|_| signs) {
                stored.standing.sign(rank, server.wall_micros, ttl);
            }
            return Ok(applied);
        }
        let token = stored.next_token(server, floor);
        if token > Token::MAX {
            if created {
                self.record = None;
                self.remains = before;
            }
            return Err(Failure::Denied {
                cause: format!("the token is at its limit: {token}").into(),
            });
        }
        stored.token = token;
        stored.holder = Some(identity);
        stored.server = caller.clone();
        stored.released = false;
        stored.ttl = ttl;
        stored.standing.remove(rank);
        stored.count(server, nonce);
        Ok(self.written(server, Outcome::Granted, WriteKind::Granted))
    }

    fn renew(&mut self, server: &Server, caller: &Arc<str>, command: &Command) -> Applied {
        let &Command::Renew {
            identity,
            token,
            ttl,
            ref over,
            nonce,
        } = command
        else {
            unreachable!("a renewal")
        };
        let (stored, found) = self.record_or_remains(server, ttl, nonce);
        match found {
            Found::Record => {}
            Found::Nothing => return self.written(server, Outcome::Stale, WriteKind::Created),
            Found::Remains(remains) => {
                // It may name another holder, or a newer grant.
                let mine = remains.holder == Some(identity) || remains.holder.is_none();
                let outcome = match mine && remains.token <= token {
                    true => Outcome::Stale,
                    false => Outcome::Lost,
                };
                return self.written(server, outcome, WriteKind::Created);
            }
        }
        let same_incarnation = stored.incarnation == *server.incarnation();
        let mine = stored.holder == Some(identity);

        if mine && stored.token == token && !stored.released && same_incarnation {
            stored.ttl = ttl;
            stored.server = caller.clone();
            stored.count(server, nonce);
            return self.written(server, Outcome::Renewed, WriteKind::Renewed);
        }
        // Mine in another incarnation; or made again since, by somebody who could not read it.
        let still_mine = stored.holder.is_none() || (mine && !same_incarnation);
        let may_reassert = stored.token < token || (stored.token == token && still_mine);
        if !may_reassert {
            return self.unchanged(server, Outcome::Lost);
        }
        if over.as_ref() != Some(&stored.version(server)) {
            return self.unchanged(server, Outcome::Stale);
        }
        stored.token = token;
        stored.holder = Some(identity);
        stored.server = caller.clone();
        stored.released = false;
        stored.ttl = ttl;
        stored.count(server, nonce);
        self.written(server, Outcome::Renewed, WriteKind::Renewed)
    }

    fn release(&mut self, server: &Server, command: &Command) -> Applied {
        let &Command::Release {
            identity,
            listeners,
            nonce,
            ..
        } = command
        else {
            unreachable!("a release")
        };
        let Some(stored) = self.record.as_mut() else {
            return self.unchanged(server, Outcome::Stale);
        };
        let mine = stored.holder == Some(identity);
        if mine && stored.incarnation != *server.incarnation() {
            return self.unchanged(server, Outcome::Stale);
        }
        if !mine || stored.released {
            return self.unchanged(server, Outcome::NotMine);
        }
        stored.released = true;
        stored.count(server, nonce);
        let mut applied = self.written(server, Outcome::Released, WriteKind::Released);
        if let Some(message) = &mut applied.message {
            message.listeners = listeners;
        }
        applied
    }

    /// The version stays: nobody's watch begins again.
    fn ask_to_resign(&mut self, server: &Server, token: Option<Token>) -> Applied {
        let stored = self.record.as_mut();
        let held = stored.filter(|stored| stored.holder.is_some() && !stored.released);
        let meant = held.filter(|stored| token.is_none_or(|token| token == stored.token));
        let outcome = match meant {
            Some(stored) => {
                stored.asked = Some(stored.token);
                Outcome::Asked
            }
            None => Outcome::NotHeld,
        };
        self.unchanged(server, outcome)
    }

    /// Somebody writes this into the record.
    pub fn put_ranks(&mut self, sights: Vec<(Rank, u64)>) {
        if let Some(stored) = &mut self.record {
            stored.standing.put(sights);
        }
    }

    /// The present term was asked to resign.
    pub fn is_asked(&self) -> bool {
        let stored = self.record.as_ref();
        stored.is_some_and(|stored| stored.asked == Some(stored.token))
    }

    fn written(&self, server: &Server, outcome: Outcome, change: WriteKind) -> Applied {
        let record = self.record(server);
        let message = record.clone().map(|record| Message {
            change,
            record,
            listeners: 0,
        });
        let reply = Reply {
            outcome,
            record,
            listeners: None,
            asked: self.is_asked(),
        };
        Applied { reply, message }
    }

    fn unchanged(&self, server: &Server, outcome: Outcome) -> Applied {
        Applied {
            reply: Reply {
                outcome,
                record: self.record(server),
                listeners: None,
                asked: self.is_asked(),
            },
            message: None,
        }
    }
}

impl Stored {
    fn created(server: &Server, ttl: Duration, nonce: Nonce) -> Self {
        let mut stored = Stored {
            token: Token::NONE,
            holder: None,
            server: "".into(),
            seq: 0,
            // Half random, half the time: a late duplicate of the command that created a record
            // which was lost since must not bring its versions back.
            epoch: nonce.bits() & !CLOCK_PART | server.wall_micros & CLOCK_PART,
            incarnation: server.incarnation().clone(),
            nonce,
            released: false,
            ttl,
            standing: StandingRanks::default(),
            asked: None,
        };
        stored.nonce = stored.stamp(nonce);
        stored
    }

    /// Becomes the next version, which the command with this nonce writes.
    fn count(&mut self, server: &Server, nonce: Nonce) {
        self.seq += 1;
        self.incarnation = server.incarnation().clone();
        self.nonce = self.stamp(nonce);
    }

    /// What is published of a command's nonce: with the version, since a network may repeat a command.
    fn stamp(&self, nonce: Nonce) -> Nonce {
        let mut hasher = DefaultHasher::new();
        (nonce, self.seq, self.epoch, &self.incarnation).hash(&mut hasher);
        Nonce::new(hasher.finish())
    }

    fn version(&self, server: &Server) -> Version {
        Version {
            seq: self.seq,
            epoch: self.epoch,
            incarnation: match server.is_untold() {
                // Tells one write of a number from another that an older state led to.
                true => format!("{}{}", server.incarnation(), self.nonce).into(),
                false => server.incarnation().clone(),
            },
        }
    }

    /// Above the record's and the caller's, and not below the clock: it rises even where the data
    /// was lost.
    fn next_token(&self, server: &Server, floor: Token) -> Token {
        let next = self.token.get() + 1;
        Token::new(next.max(server.wall_micros).max(floor.get() + 1))
    }

    fn shown(&self, server: &Server) -> Record {
        Record {
            version: self.version(server),
            nonce: self.nonce,
            token: self.token,
            holder: self.holder,
            server: self.server.clone(),
            ttl: self.ttl,
            released: self.released,
            same_incarnation: self.incarnation == *server.incarnation(),
            ranks: self.standing.ranks(),
        }
    }
}

const CLOCK_PART: u64 = 0xffff_ffff;

impl Server {
    /// Up, and unpromoted, for longer than `longer`: a holder that still renews would have been
    /// heard.
    fn has_settled(&self, longer: Duration) -> bool {
        !self.promoted && self.uptime > longer
    }
}
