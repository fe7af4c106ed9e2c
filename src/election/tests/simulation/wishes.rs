//! What comes from outside of an election: ranks that nobody has, and requests to resign.

use super::draw::Draw;
use super::driving::Cause;
use super::plan::micros;
use super::queue::Happening;
use super::rules::Rule;
use super::world::World;
use crate::election::{Command, Outcome, Random, Rank, Token};

impl World {
    /// Whatever stands there costs 40 ms at most: R6 binds.
    pub fn lie_about_ranks(&mut self, draw: &mut Random) {
        let active = self.redis.active;
        let now = self.redis.server(active, self.now).wall_micros / 1_000;
        let sights = (0..draw.below(5)).map(|_| {
            let rank = Rank::new(draw.below(900) as i16, "").unwrap_or_default();
            // Long gone, fresh, or of a clock that is ahead.
            (rank, now + draw.below(20_000) - 10_000)
        });
        let sights = sights.collect();
        self.redis.nodes[active].register.put_ranks(sights);
    }

    /// Asks the term that is present now, by its token or not: at once, once more, or later than it lasts.
    pub fn ask_later(&mut self, lasts: u64, draw: &mut Random) {
        let active = self.redis.active;
        let server = self.redis.server(active, self.now);
        let record = self.redis.nodes[active].register.record(&server);
        let token = record.map(|record| record.token).filter(|_| draw.one_in(2));
        for _ in 0..=draw.below(2) {
            let at = self.now + 1 + draw.below(lasts + 1) * draw.below(2);
            self.queue.push(at, Happening::Ask { token });
        }
    }

    pub fn ask_to_resign(&mut self, token: Option<Token>) {
        if self.calm {
            return;
        }
        let active = self.redis.active;
        let server = self.redis.server(active, self.now);
        let before = self.redis.nodes[active].register.record(&server);
        let command = Command::AskToResign { token };
        let Ok(applied) = self
            .redis
            .apply(active, self.now, &"asker".into(), &command)
        else {
            return;
        };
        let after = self.redis.nodes[active].register.record(&server);
        let verdict = match before == after {
            true => Ok(()),
            false => Err(format!(
                "a request to resign led from {before:?} to {after:?}"
            )),
        };
        self.hear(Rule::R8, verdict);
        if let (Outcome::Asked, Some(record)) = (applied.reply.outcome, after) {
            self.statistics.count("terms asked to resign");
            for deadline in &mut self.rules.deadlines {
                deadline.asked(record.token);
            }
            // It is heard of by the next renewal; then the work under the term has a ttl to stop.
            let ttl = micros(&self.plan.longest_ttl());
            self.settled_at = self.settled_at.max(self.now + 3 * ttl);
        }
    }

    /// A user hears that somebody asks for its lease: its work stops in time, or it does not.
    pub fn asked_for(&mut self, who: usize, token: Token) {
        self.statistics.count("requests to resign heard of");
        let candidate = &self.candidates[who];
        let to = candidate.address;
        let longest = micros(&candidate.config.ttl) * 3 / 2;
        let at = self.now + 1 + self.users.below(longest) * self.users.below(2);
        self.queue.push(at, Happening::StepAside { to, token });
    }

    pub fn step_aside(&mut self, who: usize, token: Token) {
        if self.candidates[who].users_run() {
            self.act(who, Cause::StepAside, |election, now| {
                election.step_aside(now, token);
            });
        }
    }
}
