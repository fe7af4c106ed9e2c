//! What the store's answers and the messages of releases change.

use std::time::Duration;

use super::config::FIRST_LOOK;
use super::run_lease::{Hold, RunStage, RunState};
use super::{Refusal, RunLease, RunOutcome, RunOutput, RunRequest};
use crate::election::{Failure, Grant, Reason, Time, planted};

impl RunLease {
    /// Somebody released the resource; it can be had after `delay`.
    pub fn handle_message(&mut self, now: Time, delay: Duration) {
        self.handle_timeout(now);
        match self.state {
            RunState::Waiting { .. } | RunState::Pending { .. } => {
                self.hear_release(now + delay);
                self.handle_timeout(now);
            }
            // The answer that is on its way may be from before that release.
            RunState::Asking { .. } => self.freed_at = Some(now + delay),
            _ => {}
        }
    }

    /// A release was heard of, and can be had from `at`.
    pub(super) fn hear_release(&mut self, at: Time) {
        let at = self.releases.ask_at(at, self.config.release_interval());
        // A message may be late: what is awaited may be nearer than what it tells of.
        let nearer = self.timers.heard.is_none_or(|heard| at < heard);
        if nearer {
            self.timers.heard = Some(at);
        }
    }

    pub(super) fn hear_reply(
        &mut self,
        now: Time,
        request: RunRequest,
        reply: Result<RunOutcome, Failure>,
    ) {
        // The state does not wait for this one any more.
        if self.in_flight != Some(request.id) {
            return;
        }
        self.in_flight = None;
        match &reply {
            Ok(_) => self.failures = 0,
            Err(failure) => {
                self.cause = Some(failure.cause().clone());
                self.doubtful |= matches!(failure, Failure::Unknown { .. });
            }
        }
        let sent_at = match planted!(WindowFromReply) {
            true => now,
            false => request.sent_at,
        };
        match self.state {
            RunState::Asking { .. }
                if matches!(reply, Err(Failure::Refused { .. }))
                    && now >= request.sent_at + request.to_be_sent() =>
            {
                // The store was behind for all of its time: to ask once more would only add to that.
                self.give_up(now);
            }
            RunState::Asking { wait_until } => self.hear_asked(now, wait_until, sent_at, reply),
            RunState::Holding(hold) => self.hear_renewed(now, hold, sent_at, reply),
            RunState::Leaving { .. } => self.hear_left(now, sent_at, reply),
            RunState::Idle
            | RunState::Waiting { .. }
            | RunState::Pending { .. }
            | RunState::Overrun(_)
            | RunState::Lost { .. }
            | RunState::Ended => {}
        }
    }

    fn hear_asked(
        &mut self,
        now: Time,
        wait_until: Time,
        sent_at: Time,
        reply: Result<RunOutcome, Failure>,
    ) {
        match reply {
            Ok(RunOutcome::Granted { token, waited }) => {
                let sent_at = sent_at + waited;
                if now >= sent_at + self.config.term() && !planted!(LateGrantBelieved) {
                    // Too late to be believed. Asked for once more, the same grant is confirmed again.
                    self.doubtful = true;
                    return self.ask(now, wait_until);
                }
                self.timers.clear();
                self.run = RunStage::Granted;
                self.pending = None;
                self.granted_at = now;
                if !self.config.bounded {
                    self.timers.long = Some(now + self.config.long_run());
                }
                let step_down_at = self.hold(token, sent_at);
                self.outputs.push_back(RunOutput::Granted(Grant {
                    token,
                    step_down_at,
                }));
            }
            Ok(RunOutcome::Held(remaining)) => {
                self.timers.give_up = None;
                if now >= wait_until {
                    return self.refuse(now, Refusal::Held);
                }
                self.state = RunState::Waiting { wait_until };
                // Redis tells whole milliseconds, and lets a key go with the next one.
                let runs_out_at = now + remaining + Duration::from_millis(1);
                self.timers.again = Some(runs_out_at.min(wait_until));
                if let Some(freed_at) = self.freed_at.take() {
                    self.hear_release(freed_at.max(now));
                }
            }
            Ok(RunOutcome::Pending(latest)) if !planted!(PendingCountsAsRun) => {
                if let Some(tick) = &mut self.config.tick {
                    tick.latest = tick.latest.or(latest);
                }
                self.look_again(now, wait_until);
            }
            Ok(_) => self.refuse(now, Refusal::Ran),
            Err(Failure::Denied { cause }) => self.refuse(now, Refusal::Denied { cause }),
            Err(_) => self.repeat(now, sent_at),
        }
    }

    /// Who was granted the tick may give it back yet: in the end it would be run by nobody.
    fn look_again(&mut self, now: Time, wait_until: Time) {
        self.timers.give_up = None;
        let patience = now + self.config.patience();
        let (until, looked) = self.pending.unwrap_or((patience, 0));
        if now >= until {
            return self.refuse(now, Refusal::Ran);
        }
        self.pending = Some((until, looked.saturating_add(1)));
        self.state = RunState::Pending { wait_until };
        let factor = 1_u32.checked_shl(looked).unwrap_or(u32::MAX);
        let longest = self.config.longest_look();
        let nominal = FIRST_LOOK.saturating_mul(factor).min(longest);
        let again = now + nominal / 2 + self.random.up_to(nominal / 2);
        self.timers.again = Some(again.min(until));
        if let Some(freed_at) = self.freed_at.take() {
            self.hear_release(freed_at.max(now));
        }
    }

    fn hear_renewed(
        &mut self,
        now: Time,
        hold: Hold,
        sent_at: Time,
        reply: Result<RunOutcome, Failure>,
    ) {
        match reply {
            Ok(RunOutcome::Renewed) => {
                let step_down_at = self.hold(hold.token, sent_at);
                self.outputs.push_back(RunOutput::Extended { step_down_at });
            }
            Ok(RunOutcome::Gone) => self.lose(hold, Reason::StoreLost, None),
            Ok(_) => self.lose(hold, Reason::Superseded, None),
            Err(_) => self.repeat(now, sent_at),
        }
    }

    fn hear_left(&mut self, now: Time, sent_at: Time, reply: Result<RunOutcome, Failure>) {
        // Whatever it says: what was not released runs out by itself.
        self.tell_released();
        match reply {
            Ok(_) | Err(Failure::Denied { .. }) => self.leave_off(),
            Err(_) => self.repeat(now, sent_at),
        }
    }

    /// Sends a command that failed again: after a pause that doubles, counted from the send, so that
    /// one which failed by its bound is repeated at once.
    fn repeat(&mut self, now: Time, sent_at: Time) {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let longest = self.config.command_bound();
        let nominal = self
            .config
            .first_retry()
            .saturating_mul(factor)
            .min(longest);
        let pause = nominal / 2 + self.random.up_to(nominal / 2);
        let again = sent_at + pause;
        match again <= now {
            true => self.go_on(now),
            false => self.timers.again = Some(again),
        }
    }
}
