use std::collections::HashMap;
use std::time::Duration;

use crate::election::run::{RunCommand, RunOutcome, Tick, TickName};
use crate::election::{Identity, Token};

#[cfg(test)]
pub mod mistaken;

/// The keys of one run lease and what the scripts do with them, as plain data.
///
/// `now` is the store's clock, in microseconds since 1970: it decides, as Redis's does.
#[derive(Clone, Debug, Default)]
pub struct RunRegister {
    lease: Option<Expiring<Held>>,
    ticks: HashMap<TickName, Expiring<Identity>>,
}

#[derive(Clone, Debug)]
struct Expiring<T> {
    value: T,
    at: u64,
    /// What was written with it: it never lies further ahead than that.
    kept: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    token: Token,
    identity: Identity,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Granted for a tick whose run has not begun, as far as is known.
    Pending,
    Held,
    /// Nobody else is granted it before this, which is so far from the release.
    Released {
        free_at: u64,
        left: Duration,
    },
}

/// What a command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunApplied {
    pub outcome: RunOutcome,
    /// It was released, and can be had after so long.
    pub released: Option<Duration>,
}

impl RunRegister {
    pub fn apply(&mut self, now: u64, command: &RunCommand) -> RunApplied {
        self.expire(now);
        let lease = self.lease.as_ref().map(|lease| lease.value);
        let is_held = lease.is_some_and(|held| held.is_held());
        let is_mine = |identity, token| {
            is_held && lease.is_some_and(|held| (held.identity, held.token) == (identity, token))
        };
        let only = |outcome| RunApplied {
            outcome,
            released: None,
        };
        match *command {
            RunCommand::Acquire {
                identity,
                ttl,
                tick,
            } => only(self.acquire(now, identity, ttl, tick)),
            RunCommand::Begin { identity, token } => only(match &mut self.lease {
                Some(lease) if is_mine(identity, token) && lease.value.stage == Stage::Pending => {
                    lease.value.stage = Stage::Held;
                    RunOutcome::Begun
                }
                _ => RunOutcome::NotMine,
            }),
            RunCommand::Renew {
                identity,
                token,
                ttl,
            } => only(match lease {
                Some(_) if is_mine(identity, token) => {
                    self.put(now, token, identity, Stage::Held, ttl);
                    RunOutcome::Renewed
                }
                Some(_) => RunOutcome::Superseded,
                None => RunOutcome::Gone,
            }),
            RunCommand::Release {
                identity,
                token,
                min_hold,
            } => {
                if !is_mine(identity, token) {
                    return only(RunOutcome::NotMine);
                }
                let least = micros(min_hold);
                let left = (token.get() + least).saturating_sub(now).min(least);
                self.free(now, token, identity, Duration::from_micros(left))
            }
            RunCommand::Withdraw { identity, tick } => {
                if let Some(tick) = tick
                    && self
                        .ticks
                        .get(&tick.name)
                        .is_some_and(|t| t.value == identity)
                {
                    self.ticks.remove(&tick.name);
                }
                match lease {
                    Some(held) if held.identity == identity && is_held => {
                        self.free(now, held.token, identity, Duration::ZERO)
                    }
                    None => {
                        // Should the acquire come only now, it finds the lease released by itself.
                        self.leave_behind(now, Token::NONE, identity, Duration::ZERO);
                        only(RunOutcome::NotMine)
                    }
                    _ => only(RunOutcome::NotMine),
                }
            }
        }
    }

    /// Whether all has expired: what a register says that nobody has used yet, it says too.
    pub fn is_empty(&mut self, now: u64) -> bool {
        self.expire(now);
        self.lease.is_none() && self.ticks.is_empty()
    }

    #[cfg(test)]
    pub fn taker(&self, tick: TickName) -> Option<Identity> {
        self.ticks.get(&tick).map(|taken| taken.value)
    }

    fn acquire(
        &mut self,
        now: u64,
        identity: Identity,
        ttl: Duration,
        tick: Option<Tick>,
    ) -> RunOutcome {
        let taken = tick.and_then(|tick| self.ticks.get_mut(&tick.name));
        if let Some(taken) = taken
            && taken.value != identity
        {
            if let Some(lease) = &mut self.lease
                && lease.value.identity == taken.value
                && lease.value.stage == Stage::Pending
            {
                lease.cut(now);
                taken.cut(now);
                return RunOutcome::Pending(Some(taken.at.saturating_sub(1_000)));
            }
            taken.cut(now);
            return RunOutcome::Ran;
        }
        // The tick that was pending is forgotten: what is present by now is another one.
        let latest = tick.and_then(|tick| tick.latest);
        let mine = |lease: &Expiring<Held>| lease.value.identity == identity;
        let known = self.lease.as_ref().is_some_and(mine)
            || tick.is_some_and(|tick| self.ticks.contains_key(&tick.name));
        if latest.is_some_and(|latest| now > latest) && !known {
            return RunOutcome::Ran;
        }
        let mut token = Token::new(now);
        if let Some(lease) = &mut self.lease {
            let held = lease.value;
            let mine = held.identity == identity;
            let wait = |until: u64| {
                // In whole milliseconds, as Redis tells them.
                let millis = until.saturating_sub(now).div_ceil(1_000);
                RunOutcome::Held(Duration::from_millis(millis))
            };
            match held.stage {
                Stage::Pending | Stage::Held if mine => {
                    self.put(now, held.token, identity, held.stage, ttl);
                    return granted(held.token);
                }
                Stage::Pending | Stage::Held => {
                    lease.cut(now);
                    return match held.stage {
                        Stage::Pending if tick.is_some() => RunOutcome::Pending(None),
                        _ => wait(lease.at),
                    };
                }
                Stage::Released { .. } if mine => return wait(now),
                Stage::Released { free_at, left } if now < free_at => {
                    let left = micros(left);
                    if free_at - now > left {
                        let left = Duration::from_micros(left);
                        self.leave_behind(now, held.token, held.identity, left);
                        return wait(now + micros(left));
                    }
                    return wait(free_at);
                }
                Stage::Released { .. } => token = token.max(Token::new(held.token.get() + 1)),
            }
        }
        let stage = match tick {
            Some(_) => Stage::Pending,
            None => Stage::Held,
        };
        self.put(now, token, identity, stage, ttl);
        if let Some(tick) = tick {
            let taken = Expiring::new(now, identity, tick.memory);
            self.ticks.insert(tick.name, taken);
        }
        granted(token)
    }

    fn free(&mut self, now: u64, token: Token, identity: Identity, left: Duration) -> RunApplied {
        self.leave_behind(now, token, identity, left);
        RunApplied {
            outcome: RunOutcome::Released,
            released: Some(left),
        }
    }

    fn leave_behind(&mut self, now: u64, token: Token, identity: Identity, left: Duration) {
        let free_at = now + micros(left);
        let stage = Stage::Released { free_at, left };
        self.put(now, token, identity, stage, left.max(LEFT_BEHIND));
    }

    fn put(&mut self, now: u64, token: Token, identity: Identity, stage: Stage, kept: Duration) {
        let held = Held {
            token,
            identity,
            stage,
        };
        self.lease = Some(Expiring::new(now, held, kept));
    }

    fn expire(&mut self, now: u64) {
        if self.lease.as_ref().is_some_and(|lease| lease.at <= now) {
            self.lease = None;
        }
        self.ticks.retain(|_, tick| tick.at > now);
    }
}

impl Held {
    fn is_held(&self) -> bool {
        !matches!(self.stage, Stage::Released { .. })
    }
}

impl<T> Expiring<T> {
    fn new(now: u64, value: T, kept: Duration) -> Self {
        Expiring {
            value,
            at: now + micros(kept),
            kept,
        }
    }

    /// The clock was set back since it was written: it goes no later than if it were written now.
    fn cut(&mut self, now: u64) {
        self.at = self.at.min(now + micros(self.kept));
    }
}

/// How long the token of a released lease is kept.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

fn granted(token: Token) -> RunOutcome {
    RunOutcome::Granted {
        token,
        waited: Duration::ZERO,
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4)
}
