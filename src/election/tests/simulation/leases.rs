//! What the machine tells of its leases: who believes to be primary, and until when.

use super::candidate::Held;

use super::driving::Cause;
use super::kind::Kind;
use super::queue::{Address, Happening};
use super::rules::{Arithmetic, Rule, Term, Verdict};
use super::world::World;
use crate::election::{Event, Grant, Reason, Time, Token};

impl World {
    pub fn carry_event(&mut self, who: usize, cause: &Cause, event: Event) {
        self.trace
            .line(self.now, format!("c{who}"), || format!("says {event:?}"));
        let verdict = self.rules.events[who].event(&event);
        self.hear(Rule::R7, verdict);
        let now = self.candidates[who].clock.local(self.now);
        match event {
            Event::Elected(grant) => {
                self.statistics.count("elections");
                self.believe(who, cause, grant);
            }
            Event::Lost { token, reason } => {
                self.statistics.count(match reason {
                    Reason::StoreLost => "lost: store lost",
                    Reason::Expired => "lost: expired",
                    Reason::Superseded => "lost: superseded",
                    Reason::Stalled => "lost: stalled",
                    Reason::Failed => "lost: failed",
                    Reason::Asked => "lost: asked",
                    _ => "lost: another reason",
                });
                if reason == Reason::Superseded {
                    let verdict = self.superseded(token);
                    self.hear(Rule::Liveness, verdict);
                }
                let alone = matches!(cause, Cause::FailWork { others_work: false });
                if matches!(reason, Reason::Stalled | Reason::Asked)
                    || (reason == Reason::Failed && alone)
                {
                    // As good as resigned: nobody uses it.
                    let life = self.candidates[who].address.life;
                    self.rules.exclusion.given_up(who, life);
                }
                let told = self.rules.windows[who].was_told(token);
                let verdict = self.rules.deadlines[who].lost(now, told, reason);
                self.hear(Rule::R4, verdict);
                self.rules.windows[who].ended();
                self.candidates[who].held = None;
            }
            Event::Resigned { .. } => {
                self.statistics.count("resigned");
                let life = self.candidates[who].address.life;
                self.rules.exclusion.given_up(who, life);
                self.rules.deadlines[who].resigned();
                self.rules.windows[who].ended();
                let candidate = &mut self.candidates[who];
                candidate.held = None;
                candidate.user.campaigning = false;
                candidate.user.resigning = true;
            }
            Event::RenewalLate { .. } => self.statistics.count("renewals late"),
            _ => {}
        }
    }

    /// Nobody loses a lease to a record that merely cannot be read.
    fn superseded(&self, token: Token) -> Verdict {
        let family = self.plan.family;
        let grants_are_seen = family.asserts(Rule::R2) && !family.allows(Kind::RestartOlder);
        let newest = self.rules.tokens.highest();
        if grants_are_seen && newest <= token {
            return Err(format!(
                "token {token} is superseded, and nobody was granted a newer one"
            ));
        }
        Ok(())
    }

    /// The outside has been told that the lease is held until some time.
    pub fn believe(&mut self, who: usize, cause: &Cause, grant: Grant) {
        let Grant {
            token,
            step_down_at,
        } = grant;
        let candidate = &mut self.candidates[who];
        let (clock, to) = (candidate.clock, candidate.address);
        let now = clock.local(self.now);
        let arithmetic = Arithmetic {
            ttl: candidate.config.ttl,
        };
        candidate.held = Some(Held {
            token,
            step_down_at,
        });
        let &Cause::Reply { sent, .. } = cause else {
            let name = cause.name();
            let message = format!("c{who} holds token {token} by '{name}', not by an answer");
            self.hear(Rule::R5, Err(message));
            return;
        };
        let verdict =
            self.rules.windows[who].confirmed(now, token, step_down_at, sent, &arithmetic);
        self.hear(Rule::R5, verdict);

        self.rules.leaving[who].confirmed(sent, &arithmetic);
        let deadline = sent + arithmetic.term();
        self.rules.deadlines[who].confirmed(token, deadline);
        let verdict = self.rules.deadlines[who].believes(step_down_at);
        self.hear(Rule::R4, verdict);
        let at = clock.when(deadline) + self.plan.lateness.max(300) + 1;
        let check = Happening::CheckDeadline {
            to,
            token,
            deadline,
        };
        self.queue.push(at, check);

        let verdict = self.rules.exclusion.believed(
            self.now,
            Term {
                token,
                who,
                life: to.life,
                start: self.now,
                window_end: clock.when(step_down_at + arithmetic.work_in_flight()),
                given_up: false,
            },
        );
        self.hear(Rule::R1, verdict);
    }

    pub fn check_deadline(&mut self, to: Address, token: Token, deadline: Time) {
        // One that is frozen says so when it wakes.
        if self.is_there(to) && !self.candidates[to.who].frozen {
            let verdict = self.rules.deadlines[to.who].passed(token, deadline);
            self.hear(Rule::R4, verdict);
        }
    }
}
