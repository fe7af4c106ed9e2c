//! What the caller of one lease is told, and when it may be.

use super::rules::Rule;
use crate::election::run::{Refusal, RunCommand, RunOutput};
use crate::election::{Reason, Time, Token};

/// Follows the outputs of one lease.
#[derive(Default)]
pub struct Told {
    pub granted: Option<Token>,
    pub refused: Option<Refusal>,
    pub lost: bool,
    pub released: bool,
    pub ended: bool,
    /// The caller has said that it is done.
    pub done: bool,
    /// The lease is on its way back.
    pub leaving: bool,
    /// The run has had its time.
    pub overrun: bool,
    /// Somebody was told that the lease is not held any more.
    pub seen_over: bool,
    /// Until when it is held, by our own arithmetic.
    pub step_down_at: Option<Time>,
    /// The caller is told of the release by then, once the run is over.
    pub released_by: Option<Time>,
}

type Verdict = Result<(), (Rule, String)>;

fn wrong(rule: Rule, message: String) -> Verdict {
    Err((rule, message))
}

impl Told {
    pub fn answered(&self) -> bool {
        self.granted.is_some() || self.refused.is_some()
    }

    /// It was granted the lease, and saw that only when it held it no more.
    pub fn missed(&mut self) {
        *self = Told {
            done: self.done,
            ..Told::default()
        };
    }

    pub fn holds(&self) -> bool {
        self.granted.is_some() && !self.lost && !self.leaving && !self.overrun
    }

    /// `own`: the step-down deadline that follows from the answer that is being heard.
    pub fn hear(&mut self, now: Time, own: Option<Time>, output: &RunOutput) -> Verdict {
        if self.ended {
            return wrong(Rule::R7, format!("{output:?} after the end"));
        }
        match output {
            RunOutput::Send(request) => {
                self.leaving |= matches!(
                    request.command,
                    RunCommand::Release { .. } | RunCommand::Withdraw { .. }
                );
                Ok(())
            }
            RunOutput::Granted(grant) => {
                if self.answered() {
                    return wrong(Rule::R7, "answered twice".into());
                }
                self.granted = Some(grant.token);
                self.held_until(now, own, grant.step_down_at)
            }
            RunOutput::Extended { step_down_at } => {
                if !self.holds() {
                    return wrong(Rule::R7, "extended and not held".into());
                }
                if self.step_down_at.is_some_and(|at| at <= now) {
                    return wrong(Rule::R5, format!("revived at {now:?}"));
                }
                self.held_until(now, own, *step_down_at)
            }
            RunOutput::Refused(refusal) => {
                if self.answered() {
                    return wrong(Rule::R7, "answered twice".into());
                }
                self.refused = Some(refusal.clone());
                Ok(())
            }
            RunOutput::Lost(end) => {
                if self.lost || self.granted != Some(end.token) || self.leaving || self.overrun {
                    return wrong(Rule::R7, format!("{output:?}, which is not held"));
                }
                self.lost = true;
                let early = self.step_down_at.is_some_and(|at| now < at);
                if early && end.reason == Reason::Expired && !self.seen_over {
                    return wrong(Rule::R4, format!("expired too early, at {now:?}"));
                }
                Ok(())
            }
            RunOutput::LongRun { .. } if !self.holds() => {
                wrong(Rule::R7, "a long run that is not held".into())
            }
            RunOutput::LongRun { .. } => Ok(()),
            RunOutput::Released => {
                if self.released || !self.done || self.granted.is_none() {
                    return wrong(Rule::R7, "released, and nobody asked".into());
                }
                self.released = true;
                Ok(())
            }
            RunOutput::Ended => {
                self.ended = true;
                let owed = self.granted.is_some() && !self.released;
                if owed || !self.answered() {
                    return wrong(Rule::R7, "ended with an answer owed".into());
                }
                Ok(())
            }
        }
    }

    fn held_until(&mut self, now: Time, own: Option<Time>, told: Time) -> Verdict {
        let Some(own) = own else {
            return wrong(Rule::R5, "held without an answer".into());
        };
        self.step_down_at = Some(own);
        if told > own {
            return wrong(Rule::R4, format!("steps down at {told:?}, not at {own:?}"));
        }
        if own <= now {
            return wrong(Rule::R5, format!("held from {now:?} until {own:?}"));
        }
        Ok(())
    }

    /// Nothing was told although the deadline has passed.
    pub fn overdue(&self, now: Time) -> Verdict {
        if !self.released && self.released_by.is_some_and(|at| at <= now) {
            let message = format!("its lease has run out, and its caller still waits at {now:?}");
            return wrong(Rule::Liveness, message);
        }
        match self.step_down_at {
            Some(at) if self.holds() && at <= now => {
                wrong(Rule::R4, format!("held at {now:?}, beyond {at:?}"))
            }
            _ => Ok(()),
        }
    }
}
