//! The faults of the schedule, and their end.

use super::candidate::Envelope;
use super::draw::Draw;
use super::driving::Cause;
use super::family::Family;
use super::kind::Kind;
use super::plan::{Scheduled, micros};
use super::queue::{Happening, Heal};
use super::redis::{Data, Verb};
use super::rules::{Rule, Write};
use super::world::{COUNTED, World};
use crate::election::{Election, Message, Outcome, Random, Reason, Record, Token};
use crate::store::Field;

impl World {
    pub fn fault(&mut self, scheduled: Scheduled) {
        let kind = scheduled.kind;
        let mut draw = Random::from_seed(u128::from(scheduled.draw));
        let ttl = micros(&self.plan.longest_ttl());
        // Short, about a ttl, or long.
        let lasts = match draw.below(3) {
            0 => draw.below(ttl * 4 / 10),
            1 => draw.between(ttl / 2, ttl * 3 / 2),
            _ => draw.between(ttl, ttl * 3),
        };
        let who = self.target(&mut draw);
        self.statistics.count(COUNTED[kind as usize]);
        self.trace.line(self.now, "fault", || {
            format!(
                "{} (--skip {}), c{who} or Redis, {} ms",
                kind.name(),
                scheduled.index,
                lasts / 1000
            )
        });
        if kind.disturbs() {
            self.disturb(lasts);
        }
        match kind {
            Kind::Crash => self.crash(who, lasts),
            Kind::Freeze => self.freeze(who, lasts),
            Kind::Hang => self.hang(who, lasts),
            Kind::FailWork => self.fail_work(who, draw.one_in(2)),
            Kind::CutOff => self.candidates[who].link.cut_until = self.now + lasts,
            Kind::NoMessages => {
                let candidate = &mut self.candidates[who];
                candidate.link.no_messages_until = self.now + lasts;
                candidate.link.subscribed = false;
                self.connect(who);
            }
            Kind::HangRedis => self.active().hung_until = self.now + lasts.min(ttl * 2),
            Kind::Refuse => self.active().refuses_until = self.now + lasts,
            Kind::Spoil => self.spoil(&mut draw),
            Kind::RefuseOne => {
                let verb = Verb::ALL[draw.below(4) as usize];
                self.active().refuses_one = (verb, self.now + lasts);
            }
            Kind::Deny => self.active().denies_until = self.now + lasts,
            Kind::RestartRedis => self.restart(lasts / 4, Data::Kept),
            Kind::RestartEmpty => self.restart(lasts / 4, Data::Gone),
            Kind::RestartOlder => {
                let data = older(&mut draw, ttl);
                self.restart(lasts / 4, data);
            }
            Kind::Flush | Kind::Evict => {
                self.redis.lose(self.now);
                self.bring_back(&mut draw);
            }
            Kind::Failover => {
                // Without a roll-back in families whose data is kept.
                let data = if self.plan.eager_start {
                    Data::Kept
                } else {
                    older(&mut draw, ttl)
                };
                self.redis.fail_over(self.now, lasts / 8, data);
                self.break_connections(|_| true);
            }
            Kind::PromoteEmpty => {
                self.redis.fail_over(self.now, lasts / 8, Data::Gone);
                self.break_connections(|_| true);
            }
            Kind::StepClock => self.redis.step_wall(draw.between(1, ttl * 4) as i64),
            Kind::StepClockBack => self.redis.step_wall(-(draw.between(1, ttl * 4) as i64)),
            Kind::Split => self.split(lasts, &mut draw),
            Kind::Resign => {
                if self.candidates[who].users_run() {
                    self.resign(who, Reason::Resigned);
                    self.return_later(who);
                }
            }
            Kind::Listen => {
                if self.candidates[who].users_run() {
                    let listening = !self.candidates[who].user.listening;
                    self.listen(who, listening);
                }
            }
            Kind::Join => self.join(),
            Kind::Leave => self.leave(who, &mut draw),
            Kind::LieAboutRanks => self.lie_about_ranks(&mut draw),
            Kind::AskToResign => self.ask_later(lasts, &mut draw),
            _ => unreachable!("not a scheduled fault: {kind:?}"),
        }
    }

    /// Half of the faults meet the primary, where there is one.
    fn target(&self, draw: &mut Random) -> usize {
        let any = draw.below(self.candidates.len() as u64) as usize;
        let held = |who: &usize| self.candidates[*who].is_held(self.now);
        let primary = (0..self.candidates.len()).find(held);
        if draw.one_in(2) {
            primary.unwrap_or(any)
        } else {
            any
        }
    }

    fn active(&mut self) -> &mut super::redis::Node {
        let active = self.redis.active;
        &mut self.redis.nodes[active]
    }

    fn crash(&mut self, who: usize, lasts: u64) {
        let candidate = &mut self.candidates[who];
        if !candidate.alive {
            return;
        }
        candidate.alive = false;
        candidate.held = None;
        candidate.stands = None;
        candidate.link.subscribed = false;
        self.queue
            .push(self.now + lasts, Happening::Restart { who });
    }

    fn freeze(&mut self, who: usize, lasts: u64) {
        let candidate = &mut self.candidates[who];
        if !candidate.alive || candidate.frozen {
            return;
        }
        candidate.frozen = true;
        candidate.stands = None;
        let to = candidate.address;
        self.queue.push(self.now + lasts, Happening::Wake { to });
    }

    /// From the moment at which the heartbeat has found it.
    fn hang(&mut self, who: usize, lasts: u64) {
        if !self.candidates[who].users_run() {
            return;
        }
        self.candidates[who].hung = true;
        let to = self.candidates[who].address;
        self.act(who, Cause::Suspend, Election::suspend);
        self.queue.push(self.now + lasts, Happening::Turn { to });
    }

    /// The work under the lease of a candidate fails, if it has one and knows it.
    fn fail_work(&mut self, who: usize, others_work: bool) {
        let candidate = &self.candidates[who];
        if let Some(held) = candidate.held.filter(|_| candidate.users_run()) {
            self.act(who, Cause::FailWork { others_work }, |election, now| {
                election.fail(now, held.token, others_work);
            });
        }
    }

    pub fn turn(&mut self, who: usize) {
        let candidate = &mut self.candidates[who];
        if !candidate.hung {
            return;
        }
        if candidate.frozen {
            // The process has to wake first.
            let to = candidate.address;
            let later = self.now + micros(&candidate.config.ttl) / 100;
            return self.queue.push(later, Happening::Turn { to });
        }
        candidate.hung = false;
        self.look_now(who);
        self.act(who, Cause::Resume, Election::resume);
        if self.calm {
            self.stand_for_good(who);
        }
    }

    fn spoil(&mut self, draw: &mut Random) {
        // Where the clock steps back, R2 rests on the token that is there.
        let tokens_stay = self.plan.family == Family::Steps;
        let field = match draw.below(16) {
            // Nobody but its holder can fix it: elections stand still until somebody does.
            0 if !tokens_stay => Field::TokenBeyondAll,
            1..=4 if !tokens_stay => Field::Token,
            5..=8 => Field::Identity,
            _ => Field::Other,
        };
        self.redis.spoil(self.now, field);
    }

    fn restart(&mut self, down_for: u64, data: Data) {
        self.redis.restart(self.now, down_for, data);
        self.break_connections(|_| true);
    }

    /// Of all duplicates, the one of the command that had created the lost record is the most
    /// harmful.
    fn bring_back(&mut self, draw: &mut Random) {
        let duplicates = self.plan.intensity[Kind::DuplicateRequest as usize] > 0;
        if let Some(envelope) = self.created_by.clone().filter(|_| duplicates) {
            let node = self.redis.active;
            let at = self.now + draw.below(5_000);
            self.queue.push(at, Happening::Arrive { envelope, node });
        }
    }

    /// The other server is promoted while the old master goes on answering.
    fn split(&mut self, lasts: u64, draw: &mut Random) {
        let old = self.redis.active;
        let lag = self.plan.confirmed_after.unwrap_or_else(|| {
            let ttl = micros(&self.plan.longest_ttl());
            draw.below(ttl)
        });
        self.redis.fail_over(self.now, 0, Data::Older(lag));
        self.redis.nodes[old].master = true;
        self.queue
            .push(self.now + lasts, Happening::Heal(Heal::Split { node: old }));
        for who in 0..self.candidates.len() {
            if draw.one_in(2) {
                let at = self.now + draw.below(lasts + 1);
                self.queue.push(at, Happening::Heal(Heal::Route { who }));
            }
        }
    }

    fn join(&mut self) {
        if self.candidates.len() >= 8 {
            return;
        }
        let who = self.candidates.len();
        self.add_candidate(who);
        self.start(who, 0);
    }

    /// Removed for good: in good order, or by a kill.
    fn leave(&mut self, who: usize, draw: &mut Random) {
        let staying = self
            .candidates
            .iter()
            .filter(|candidate| !candidate.departed)
            .count();
        if staying <= 2 || !self.candidates[who].users_run() {
            return;
        }
        self.candidates[who].departed = true;
        if draw.one_in(3) {
            self.crash(who, 0);
        } else {
            self.resign(who, Reason::Exit);
        }
    }

    /// Puts a write at the register into its class, for R1, R2 and R8.
    pub fn judge_write(
        &mut self,
        envelope: &Envelope,
        outcome: Outcome,
        before: Option<&Record>,
        message: &Message,
    ) {
        let write = Write {
            now: self.now,
            command: &envelope.request.command,
            outcome,
            before,
            after: &message.record,
        };
        self.statistics.count_write(&write);
        for (candidate, messages) in self.candidates.iter().zip(&mut self.rules.messages) {
            messages.write(candidate.clock.local(self.now));
        }
        if before.is_none() {
            self.created_by = Some(envelope.clone());
        }
        if write.is_new_grant() {
            self.statistics.count("grants");
            let token = message.record.token;
            let taken = self
                .rules
                .exclusion
                .granted(self.now, envelope.from.who, token);
            let order = self.rules.tokens.granted(token);
            // Without a confirmation it is no grant yet.
            if self.plan.confirmed_after.is_none() {
                self.hear(Rule::R1, taken);
            }
            self.hear(Rule::R2, order);
        }
        // Where tokens may fall, the highest is not the newest.
        let rise = self.plan.family.asserts(Rule::R2);
        let highest = if rise {
            self.rules.tokens.highest()
        } else {
            Token::NONE
        };
        let exclusion = std::mem::take(&mut self.rules.exclusion);
        let verdict = self.rules.writes.written(&write, highest, &exclusion);
        self.rules.exclusion = exclusion;
        self.hear(Rule::R8, verdict);
        self.expect_change(&message.record);
    }
}

/// How far a replica lags behind, or how old a snapshot is.
fn older(draw: &mut Random, ttl: u64) -> Data {
    match draw.below(3) {
        0 => Data::Older(draw.below(ttl / 2)),
        1 => Data::Older(draw.below(ttl * 3)),
        _ => Data::BeforeChanges(draw.between(1, 3)),
    }
}
