//! What the users of a candidate do: campaign, listen, look, write, resign.

use super::candidate::Candidate;
use super::draw::Draw;
use super::driving::Cause;
use super::kind::Kind;
use super::plan::micros;
use super::queue::{Address, Happening};
use super::rules::{Arithmetic, Rule};
use super::world::World;
use crate::election::{Reason, Time, Token};

impl World {
    pub fn campaign(&mut self, who: usize) {
        if !self.candidates[who].users_run() {
            return self.return_later(who);
        }
        self.trace
            .line(self.now, format!("c{who}"), || "campaigns".into());
        let user = &mut self.candidates[who].user;
        user.campaigning = true;
        user.resigning = false;
        user.answers_due += 1;
        self.rules.events[who].campaign(self.now);
        self.act(who, Cause::Campaign, |election, now| election.campaign(now));
        let level = self.plan.intensity[Kind::Resign as usize];
        if !self.calm && level > 0 && self.users.one_in(3) {
            // Some change their mind while the first acquire is on its way.
            let to = self.candidates[who].address;
            let after = self.users.below(4 * self.plan.latency.1);
            self.queue.push(self.now + after, Happening::Resign { to });
        }
    }

    pub fn listen(&mut self, who: usize, listening: bool) {
        self.trace.line(self.now, format!("c{who}"), || {
            format!("listens: {listening}")
        });
        self.candidates[who].user.listening = listening;
        self.act(who, Cause::Listen, |election, now| {
            election.listen(now, listening)
        });
    }

    pub fn resign(&mut self, who: usize, reason: Reason) {
        self.trace.line(self.now, format!("c{who}"), || {
            format!("resigns: {reason:?}")
        });
        let candidate = &self.candidates[who];
        let (clock, to) = (candidate.clock, candidate.address);
        let arithmetic = Arithmetic {
            ttl: candidate.config.ttl,
        };
        let deadline = self.rules.leaving[who].resigned(clock.local(self.now), &arithmetic);
        let at = clock.when(deadline) + self.plan.lateness.max(300) + 1;
        self.queue.push(at, Happening::CheckLeft { to, deadline });
        self.act(who, Cause::Resign, |election, now| {
            election.resign(now, reason)
        });
    }

    pub fn check_left(&mut self, to: Address, deadline: Time) {
        // One that is frozen says so when it wakes.
        if self.is_there(to) && !self.candidates[to.who].frozen {
            let verdict = self.rules.leaving[to.who].passed(deadline);
            self.hear(Rule::R7, verdict);
        }
    }

    /// A campaign that has ended is started again some time later.
    pub fn return_later(&mut self, who: usize) {
        let ttl = micros(&self.plan.longest_ttl());
        let to = self.candidates[who].address;
        let after = match self.users.below(3) {
            0 => self.users.below(2_000),
            1 => self.users.below(ttl / 2),
            _ => self.users.below(ttl * 4),
        };
        self.queue
            .push(self.now + after, Happening::Campaign { to });
    }

    /// Nothing of the campaign is on its way any more: R7 says that nothing of it is left behind.
    pub fn ended(&mut self, who: usize) {
        self.trace
            .line(self.now, format!("c{who}"), || "ended".into());
        let candidate = &mut self.candidates[who];
        let over = candidate.user.resigning;
        let ttl = micros(&candidate.config.ttl);
        candidate.user.resigning = false;
        self.rules.leaving[who].ended();
        let undisturbed = self.rules.takeover.undisturbed_since(self.now);
        // One that has stood for a ttl anybody may take.
        let fresh = self.now - self.redis.written_at() < ttl;
        if over && undisturbed && fresh && self.plan.confirmed_after.is_none() {
            self.statistics.count("campaigns ended and checked");
            let verdict = self.left_behind(who);
            self.hear(Rule::R7, verdict);
        }
    }

    fn left_behind(&self, who: usize) -> Result<(), String> {
        let node = self.redis.active;
        let server = self.redis.server(node, self.now);
        let record = self.redis.nodes[node].register.record(&server);
        let Some(record) = record.filter(|record| !record.released) else {
            return Ok(());
        };
        let mine = |holder| self.candidates[who].identities.contains(&holder);
        if record.same_incarnation && record.holder.is_some_and(mine) {
            return Err(format!(
                "c{who} has ended its campaign and left token {} behind",
                record.token
            ));
        }
        Ok(())
    }

    pub fn look_after(&mut self, who: usize) -> u64 {
        let ttl = micros(&self.candidates[who].config.ttl);
        self.users.below(ttl)
    }

    pub fn look(&mut self, to: Address) {
        if !self.is_there(to) {
            return;
        }
        if self.candidates[to.who].users_run() {
            self.look_now(to.who);
        }
        let at = self.now + self.look_after(to.who);
        self.queue.push(at, Happening::Look { to });
    }

    /// Reads `isHeld`, and writes to the resource if it says so.
    pub fn look_now(&mut self, who: usize) {
        let at = self.now;
        let Some(held) = self.candidates[who].held else {
            return;
        };
        if self.candidates[who].is_held(at) {
            // A write may be slow, and arrive when its lease is long over.
            let ttl = micros(&self.candidates[who].config.ttl);
            let after = if self.users.one_in(8) {
                self.users.below(ttl * 3)
            } else {
                self.users.below(2_000)
            };
            let from = self.candidates[who].address;
            let token = held.token;
            self.queue
                .push(at + after, Happening::Write { from, token });
            return;
        }
        self.statistics.count("looks at a lease that had run out");
        self.rules.windows[who].told_expired(held.token);
        self.candidates[who].looked = true;
        if self.users.one_in(2) && self.candidates[who].users_run() {
            // The driver hears of it at once, or before the next thing that it hands on.
            self.candidates[who].looked = false;
            self.act(who, Cause::Told, |election, now| {
                election.handle_expired(now)
            });
        }
    }

    /// A write arrives at the fenced resource.
    pub fn write(&mut self, from: Address, token: Token) {
        let candidate = &self.candidates[from.who];
        let held = |candidate: &Candidate| {
            candidate.held.is_some_and(|held| held.token == token) && candidate.is_held(self.now)
        };
        let held = candidate.address == from && held(candidate);
        let (order, usable) = self.rules.fence.write(token, held);
        self.statistics.count("writes to the resource");
        self.hear(Rule::R3, order);
        // Of two primaries R1 tells.
        if !self.rules.exclusion.is_older(token) {
            self.hear(Rule::R2, usable);
        }
    }
}
