//! The store under test, its clock, and what its answers say about it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::plan::Family;
use super::rules::Rule;
use crate::election::run::{RunCommand, RunOutcome, TickName};
use crate::election::{Identity, Token};
use crate::store::{RunApplied, RunRegister, run_mistaken};

pub struct Store {
    family: Family,
    register: RunRegister,
    rate: u64,
    stepped: i64,
    /// Who holds the lease, by what was answered.
    holder: Option<Holder>,
    /// What the last release left behind.
    mark: Option<Mark>,
    /// Who took back an acquire that had not come, while nobody held the lease; and until when that
    /// is remembered.
    overtaken: Option<(Identity, u64)>,
    highest: Token,
    takers: HashMap<TickName, Identity>,
    /// Released or withdrawn.
    gone: HashSet<Identity>,
    /// By identity: how many commands had been executed when it was granted last, and withdrawn last.
    pub granted: HashMap<Identity, u64>,
    pub withdrawn: HashMap<Identity, u64>,
    executed: u64,
    pub found: Vec<(Rule, String)>,
    pub counts: HashMap<&'static str, u64>,
}

#[derive(Clone, Copy)]
struct Holder {
    identity: Identity,
    token: Token,
    since: u64,
    ttl: Duration,
    expires_at: u64,
}

#[derive(Clone, Copy)]
struct Mark {
    identity: Identity,
    token: Token,
    /// How long the lease was kept from then on, and until when that is.
    left: Duration,
    free_at: u64,
    expires_at: u64,
}

impl Store {
    pub fn new(family: Family, rate: u64) -> Self {
        Store {
            family,
            register: RunRegister::default(),
            rate,
            stepped: 0,
            holder: None,
            mark: None,
            overtaken: None,
            highest: Token::NONE,
            takers: HashMap::new(),
            gone: HashSet::new(),
            granted: HashMap::new(),
            withdrawn: HashMap::new(),
            executed: 0,
            found: Vec::new(),
            counts: HashMap::new(),
        }
    }

    fn clock(&self, now: u64) -> u64 {
        let ticked = START + now * self.rate / 1_000_000;
        ticked.checked_add_signed(self.stepped).unwrap()
    }

    pub fn step(&mut self, by: i64) {
        self.stepped += by;
    }

    pub fn lose_data(&mut self) {
        self.register = RunRegister::default();
        self.holder = None;
        self.mark = None;
        self.overtaken = None;
        self.takers.clear();
    }

    /// `copy`: the network made it of another, and nobody can know of it.
    pub fn apply(&mut self, now: u64, command: &RunCommand, copy: bool) -> RunApplied {
        let now = self.clock(now);
        self.executed += 1;
        self.holder = self.holder.filter(|holder| holder.expires_at > now);
        self.mark = self.mark.filter(|mark| mark.expires_at > now);
        self.overtaken = self.overtaken.filter(|(_, until)| *until > now);
        let applied = run_mistaken::apply(&mut self.register, now, command);
        let caller = command.identity();
        if let (RunCommand::Acquire { .. }, RunOutcome::Held(_) | RunOutcome::Pending(_)) =
            (command, applied.outcome)
        {
            self.cut(now, applied.outcome);
        }
        let harmed = self
            .holder
            .filter(|holder| holder.identity != caller && !self.holds(*holder));
        if let Some(holder) = harmed {
            self.hear(
                Rule::R8,
                format!("{command:?} harmed the grant of {:?}", holder.identity),
            );
        }
        match (command, applied.outcome) {
            (RunCommand::Acquire { ttl, tick, .. }, RunOutcome::Granted { token, .. }) => {
                self.note_grant(now, caller, token, *ttl);
                if !copy {
                    self.granted.insert(caller, self.executed);
                }
                if let Some(tick) = tick {
                    let taker = *self.takers.entry(tick.name).or_insert(caller);
                    if taker != caller {
                        let tick = tick.name;
                        self.hear(
                            Rule::Tick,
                            format!("{tick:?} of {taker:?} was granted to {caller:?}"),
                        );
                    }
                }
            }
            (RunCommand::Acquire { tick, .. }, RunOutcome::Ran) => {
                let taker = tick.and_then(|tick| self.takers.get(&tick.name));
                if taker.is_none_or(|taker| *taker == caller) {
                    self.hear(Rule::Tick, format!("refused to its taker: {command:?}"));
                }
            }
            (RunCommand::Renew { ttl, .. }, RunOutcome::Renewed) => {
                if self.gone.contains(&caller) {
                    self.hear(Rule::R8, format!("revived by {command:?}"));
                }
                if let Some(holder) = &mut self.holder {
                    holder.ttl = *ttl;
                    holder.expires_at = now + micros(*ttl);
                }
            }
            (RunCommand::Release { min_hold, .. }, RunOutcome::Released) => {
                self.note_release(now, caller, *min_hold);
            }
            (RunCommand::Withdraw { tick, .. }, outcome) => {
                self.withdrawn.insert(caller, self.executed);
                if let Some(tick) = tick
                    && self.takers.get(&tick.name) == Some(&caller)
                {
                    self.takers.remove(&tick.name);
                    self.count("tick given back");
                }
                if outcome == RunOutcome::Released {
                    self.note_release(now, caller, Duration::ZERO);
                    self.count("withdrawn");
                } else if self.holder.is_some_and(|holder| holder.identity == caller) {
                    self.hear(Rule::Withdraw, format!("{caller:?} keeps the lease"));
                } else if self.holder.is_none() && self.mark.is_none() && self.overtaken.is_none() {
                    self.overtaken = Some((caller, now + micros(LEFT_BEHIND)));
                }
            }
            (RunCommand::Release { .. }, RunOutcome::NotMine) => {
                self.count("a release of what was not held any more");
            }
            (RunCommand::Acquire { .. }, RunOutcome::Held(_))
                if self
                    .overtaken
                    .is_some_and(|(identity, _)| identity == caller) =>
            {
                self.count("overtaken by its withdrawal");
            }
            _ => {}
        }
        applied
    }

    fn note_grant(&mut self, now: u64, caller: Identity, token: Token, ttl: Duration) {
        let again = self.holder.filter(|holder| holder.identity == caller);
        match again {
            Some(holder) if holder.token != token => self.hear(
                Rule::R2,
                format!("granted again with token {token}, not {}", holder.token),
            ),
            Some(_) => self.count("granted again"),
            None => {
                // After a hang the same one asks again for what it has not run yet.
                self.gone.remove(&caller);
                self.count("granted");
                // A clock that was set back can lower the token after an expiry, not after a release.
                let least = match (self.family, self.mark) {
                    (Family::Slew, Some(mark)) => mark.token,
                    (Family::Slew, None) => Token::NONE,
                    _ => self.highest,
                };
                if token <= least {
                    self.hear(Rule::R2, format!("token {token} after {least}"));
                }
                match self.mark {
                    Some(mark) if mark.identity == caller => self.hear(
                        Rule::R8,
                        format!("a late duplicate of {caller:?} was granted again"),
                    ),
                    Some(mark) if now < mark.free_at => self.hear(
                        Rule::MinHold,
                        format!("granted {} us too early", mark.free_at - now),
                    ),
                    _ => {}
                }
            }
        }
        if self
            .overtaken
            .take()
            .is_some_and(|(identity, _)| identity == caller)
        {
            self.hear(
                Rule::Withdraw,
                format!("granted to {caller:?}, who had withdrawn"),
            );
        }
        self.mark = None;
        self.highest = self.highest.max(token);
        self.holder = Some(Holder {
            identity: caller,
            token,
            since: again.map_or(now, |holder| holder.since),
            ttl,
            expires_at: now + micros(ttl),
        });
    }

    fn note_release(&mut self, now: u64, caller: Identity, min_hold: Duration) {
        self.gone.insert(caller);
        let Some(holder) = self.holder.take_if(|holder| holder.identity == caller) else {
            return self.hear(Rule::R8, format!("{caller:?} released what it had not"));
        };
        let free_at = holder.since + micros(min_hold);
        let told = (holder.token.get() + micros(min_hold)).saturating_sub(now);
        let left = Duration::from_micros(told).min(min_hold);
        self.mark = Some(Mark {
            identity: caller,
            token: holder.token,
            left,
            free_at,
            expires_at: now + micros(left.max(LEFT_BEHIND)),
        });
    }

    /// Somebody was refused, and what was kept for too long is cut by that.
    fn cut(&mut self, now: u64, outcome: RunOutcome) {
        let most = match (&mut self.holder, &mut self.mark) {
            (Some(holder), _) => {
                holder.expires_at = holder.expires_at.min(now + micros(holder.ttl));
                holder.ttl
            }
            (None, Some(mark)) => {
                mark.free_at = mark.free_at.min(now + micros(mark.left));
                mark.left
            }
            (None, None) => return,
        };
        if let RunOutcome::Held(left) = outcome
            && left > most + Duration::from_millis(1)
        {
            self.hear(
                Rule::Kept,
                format!("kept for {left:?} yet, written for {most:?}"),
            );
        }
    }

    /// A server that holds the lease and has not released it.
    pub fn unreleased_holder(&self) -> Option<(Identity, Token)> {
        let holder = self.holder.map(|holder| (holder.identity, holder.token));
        holder.filter(|(identity, _)| !self.gone.contains(identity))
    }

    /// A server that holds the lease, if it took this tick.
    pub fn holder_of(&self, tick: TickName) -> Option<Identity> {
        let holder = self.holder.map(|holder| holder.identity);
        holder.filter(|holder| self.takers.get(&tick) == Some(holder))
    }

    /// The grant is still there, and for as long as before.
    fn holds(&self, holder: Holder) -> bool {
        let renewal = RunCommand::Renew {
            identity: holder.identity,
            token: holder.token,
            ttl: LEFT_BEHIND,
        };
        let mut copy = self.register.clone();
        run_mistaken::apply(&mut copy, holder.expires_at - 1, &renewal).outcome
            == RunOutcome::Renewed
    }

    /// Who has the tick, by what was answered.
    pub fn taker(&self, tick: TickName) -> Option<Identity> {
        self.takers.get(&tick).copied()
    }

    /// Whether the store remembers this tick.
    pub fn tick_is_taken(&self, tick: TickName) -> bool {
        self.register.taker(tick).is_some()
    }

    fn hear(&mut self, rule: Rule, message: String) {
        self.found.push((rule, message));
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

const START: u64 = 1_795_000_000_000_000;
const LEFT_BEHIND: Duration = Duration::from_secs(1);
