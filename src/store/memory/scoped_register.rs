use std::collections::HashMap;
use std::time::Duration;

use crate::election::scoped::{ScopedCommand, ScopedOutcome, Tick};
use crate::election::{Identity, Token, planted};

/// The keys of one scoped lease and what the scripts do with them, as plain data.
///
/// `now` is the store's clock, in microseconds since 1970: it decides, as Redis's does.
#[derive(Clone, Debug, Default)]
pub struct ScopedRegister {
    lease: Option<Expiring<Held>>,
    ticks: HashMap<i64, Expiring<Identity>>,
}

#[derive(Clone, Debug)]
struct Expiring<T> {
    value: T,
    at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    token: Token,
    identity: Identity,
    /// Released: nobody else is granted it before this.
    free_at: Option<u64>,
}

/// What a command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopedApplied {
    pub outcome: ScopedOutcome,
    /// It was released, and can be had after so long.
    pub released: Option<Duration>,
}

impl ScopedRegister {
    pub fn apply(&mut self, now: u64, command: &ScopedCommand) -> ScopedApplied {
        self.expire(now);
        let lease = self.lease.as_ref().map(|lease| lease.value);
        let is_mine = |identity, token| {
            lease.is_some_and(|held| {
                held == Held {
                    token,
                    identity,
                    free_at: None,
                }
            })
        };
        let is_held = lease.is_some_and(|held| held.free_at.is_none());
        let only = |outcome| ScopedApplied {
            outcome,
            released: None,
        };
        match *command {
            ScopedCommand::Acquire {
                identity,
                ttl,
                tick,
            } => only(self.acquire(now, identity, ttl, tick)),
            ScopedCommand::Renew {
                identity,
                token,
                ttl,
            } => only(match lease {
                _ if is_mine(identity, token) || planted!(RenewAnyIdentity) && is_held => {
                    self.put(now, token, identity, None, ttl);
                    ScopedOutcome::Renewed
                }
                Some(_) => ScopedOutcome::Superseded,
                None => ScopedOutcome::Gone,
            }),
            ScopedCommand::Release {
                identity,
                token,
                min_hold,
            } => {
                let may = is_mine(identity, token) || planted!(ReleaseAnyIdentity) && is_held;
                if !may {
                    return only(ScopedOutcome::NotMine);
                }
                let least = match planted!(MinHoldIgnored) {
                    true => 0,
                    false => micros(min_hold),
                };
                let left = (token.get() + least).saturating_sub(now).min(least);
                self.free(now, token, identity, Duration::from_micros(left))
            }
            ScopedCommand::Withdraw { identity, tick } => {
                if let Some(tick) = tick
                    && !planted!(WithdrawKeepsTick)
                    && self
                        .ticks
                        .get(&tick.at)
                        .is_some_and(|t| t.value == identity)
                {
                    self.ticks.remove(&tick.at);
                }
                match lease {
                    Some(held) if held.identity == identity && held.free_at.is_none() => {
                        self.free(now, held.token, identity, Duration::ZERO)
                    }
                    None if !planted!(WithdrawLeavesNoMark) => {
                        // Should the acquire come only now, it finds the lease released by itself.
                        self.put(now, Token::NONE, identity, Some(now), LEFT_BEHIND);
                        only(ScopedOutcome::NotMine)
                    }
                    _ => only(ScopedOutcome::NotMine),
                }
            }
        }
    }

    /// Whether all has expired: what a register says that nobody has used yet, it says too.
    pub fn is_empty(&mut self, now: u64) -> bool {
        self.expire(now);
        self.lease.is_none() && self.ticks.is_empty()
    }

    fn acquire(
        &mut self,
        now: u64,
        identity: Identity,
        ttl: Duration,
        tick: Option<Tick>,
    ) -> ScopedOutcome {
        let taken = tick.and_then(|tick| self.ticks.get(&tick.at));
        if taken.is_some_and(|taker| taker.value != identity || planted!(TickRefusesItsTaker)) {
            return ScopedOutcome::Ran;
        }
        let mut token = Token::new(now);
        if let Some(Expiring { value: held, at }) = &self.lease {
            let (held, at) = (*held, *at);
            let mine = held.identity == identity;
            let wait = |until: u64| {
                // In whole milliseconds, as Redis tells them.
                let millis = until.saturating_sub(now).div_ceil(1_000);
                ScopedOutcome::Held(Duration::from_millis(millis))
            };
            match held.free_at {
                None if mine => {
                    self.put(now, held.token, identity, None, ttl);
                    return ScopedOutcome::Granted(held.token);
                }
                None => return wait(at),
                Some(_) if mine && !planted!(ReleasedGrantedAgain) => return wait(now),
                Some(free_at) if now < free_at => return wait(free_at),
                Some(_) if planted!(TokenForgotten) => {}
                Some(_) => token = token.max(Token::new(held.token.get() + 1)),
            }
        }
        self.put(now, token, identity, None, ttl);
        if let Some(tick) = tick
            && !planted!(TickNotStored)
        {
            let at = now + micros(tick.memory);
            self.ticks.insert(
                tick.at,
                Expiring {
                    value: identity,
                    at,
                },
            );
        }
        ScopedOutcome::Granted(token)
    }

    fn free(
        &mut self,
        now: u64,
        token: Token,
        identity: Identity,
        left: Duration,
    ) -> ScopedApplied {
        let kept = left.max(LEFT_BEHIND);
        self.put(now, token, identity, Some(now + micros(left)), kept);
        ScopedApplied {
            outcome: ScopedOutcome::Released,
            released: Some(left),
        }
    }

    fn put(
        &mut self,
        now: u64,
        token: Token,
        identity: Identity,
        free_at: Option<u64>,
        kept: Duration,
    ) {
        self.lease = Some(Expiring {
            value: Held {
                token,
                identity,
                free_at,
            },
            at: now + micros(kept),
        });
    }

    fn expire(&mut self, now: u64) {
        if self.lease.as_ref().is_some_and(|lease| lease.at <= now) {
            self.lease = None;
        }
        self.ticks.retain(|_, tick| tick.at > now);
    }
}

/// How long the token of a released lease is kept.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4)
}
