//! The end of a run: all faults stop, and there has to be a primary that stays.

use super::plan::micros;
use super::queue::{Happening, Heal};
use super::rules::{Arithmetic, Rule};
use super::world::World;
use crate::election::timer::Timer;
use crate::store::Tells;

impl World {
    pub fn become_calm(&mut self) {
        self.trace
            .line(self.now, "calm", || "all faults stop".into());
        self.calm = true;
        for node in 0..2 {
            let server = &mut self.redis.nodes[node];
            // What it has not read yet comes then.
            self.settled_at = self.settled_at.max(server.hung_until);
            server.down_until = server.down_until.min(self.now);
            server.hung_until = server.hung_until.min(self.now);
            server.refuses_until = 0;
            server.denies_until = 0;
            server.refuses_one.1 = 0;
            if server.register.is_beyond_all() {
                // The person who is asked for it in every error deletes the record.
                server.register.lose();
            }
            self.happen_later(Happening::Heal(Heal::Split { node }));
        }
        for who in 0..self.candidates.len() {
            let candidate = &mut self.candidates[who];
            candidate.link.cut_until = 0;
            candidate.link.no_messages_until = 0;
            let to = candidate.address;
            if candidate.frozen {
                self.happen_later(Happening::Wake { to });
            }
            if self.candidates[who].hung {
                self.happen_later(Happening::Turn { to });
            }
            self.happen_later(Happening::Heal(Heal::Route { who }));
            if !self.candidates[who].alive && !self.candidates[who].departed {
                self.happen_later(Happening::Restart { who });
            }
        }
        // At least two stand, and the rest goes on with what it did.
        let staying: Vec<usize> = (0..self.candidates.len())
            .filter(|who| !self.candidates[*who].departed)
            .collect();
        for &who in staying.iter().take(2) {
            if self.candidates[who].users_run() {
                self.stand_for_good(who);
            }
        }
        let at = self.now.max(self.settled_at) + self.elected_within();
        self.queue.push(at, Happening::CheckElected);
    }

    /// How long it may take until there is a primary, from a calm moment with a candidate.
    ///
    /// Commands that the last faults swallowed are noticed after ttl / 6, and repeated after as
    /// much again; then a ripe watch, a poll and 100 ms. Where the incarnation is not told, a release is no more than
    /// a change of the record, from which a watch begins anew: the last comes a window after the last loss.
    fn elected_within(&self) -> u64 {
        let ttl = self.plan.longest_ttl();
        let window = match self.plan.family.tells() {
            Tells::Nothing => micros(&ttl),
            _ => 0,
        };
        let settle = micros(&ttl) / 3 + window;
        let ripe = micros(&Arithmetic { ttl }.ripe(ttl)) * 102 / 100;
        let poll = micros(&ttl) / 2;
        settle + ripe + poll + 100_000
    }

    pub fn stand_for_good(&mut self, who: usize) {
        self.listen(who, true);
        let candidate = &self.candidates[who];
        // A user who asks ends the pause after failed work.
        let rests = candidate.election.timers.is_set(Timer::Rest);
        if rests || !candidate.user.campaigning {
            self.campaign(who);
        }
    }

    fn happen_later(&mut self, happening: Happening) {
        self.queue.push(self.now + 1, happening);
    }

    /// There is a primary now, and from here on the same one.
    pub fn check_elected(&mut self) {
        let primaries: Vec<usize> = (0..self.candidates.len())
            .filter(|who| self.candidates[*who].is_held(self.now))
            .collect();
        let wanted = self
            .candidates
            .iter()
            .any(|candidate| candidate.wants() && candidate.user.listening);
        let verdict = match primaries.len() {
            1 => Ok(()),
            0 if !wanted => Ok(()),
            0 => Err("nobody is primary although all faults have stopped".into()),
            _ => Err(format!(
                "{} primaries after all faults stopped",
                primaries.len()
            )),
        };
        self.hear(Rule::Liveness, verdict);
        let since = self.now.saturating_sub(self.elected_within());
        let unanswered = self
            .rules
            .events
            .iter()
            .zip(&self.candidates)
            .filter(|(_, candidate)| candidate.alive)
            .find_map(|(events, _)| events.unanswered_since(since).err());
        self.hear(Rule::R7, unanswered.map_or(Ok(()), Err));
        if let Some(&who) = primaries.first() {
            let token = self.candidates[who].held.map(|held| held.token);
            match self.settled {
                Some((before, held)) if (before, held) != (who, token) => self.hear(
                    Rule::Liveness,
                    Err(format!(
                        "c{who} replaced c{before} although nothing happened"
                    )),
                ),
                _ => self.settled = Some((who, token)),
            }
        }
        let again = micros(&self.plan.longest_ttl()) / 4;
        self.queue.push(self.now + again, Happening::CheckElected);
    }
}
