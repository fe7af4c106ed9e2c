//! How a lease is given back, or an acquire that nobody heard the answer of is taken back.

use super::run_lease::{Hold, RunStage, RunState};
use super::{Refusal, RunCommand, RunLease, RunOutput};
use crate::election::{Reason, Time, planted};

impl RunLease {
    /// The caller wants it no more. Where it was granted and the run has not begun, the grant is taken
    /// back: the tick is not used up.
    pub fn abandon(&mut self, now: Time) {
        self.handle_timeout(now);
        match self.run {
            RunStage::NotBegun => self.refuse(now, Refusal::Abandoned),
            RunStage::Begun if !planted!(WithdrawnAfterItBegan) => self.release(now),
            RunStage::Granted | RunStage::Begun => {
                self.run = RunStage::Over;
                if !matches!(self.state, RunState::Holding(_) | RunState::Overrun(_)) {
                    self.tell_released();
                }
                self.leave(now, self.withdrawal());
            }
            RunStage::Over | RunStage::Answered => {}
        }
    }

    /// The run is over.
    pub fn release(&mut self, now: Time) {
        self.handle_timeout(now);
        match self.run {
            RunStage::NotBegun => return self.refuse(now, Refusal::Abandoned),
            RunStage::Granted | RunStage::Begun => self.run = RunStage::Over,
            RunStage::Over | RunStage::Answered => return,
        }
        match self.state {
            RunState::Holding(hold) | RunState::Overrun(hold) => self.leave_hold(now, hold),
            RunState::Lost { kept } => {
                self.tell_released();
                match kept {
                    Some(hold) => self.leave_hold(now, hold),
                    None => self.end(),
                }
            }
            // It was given up for a loop that hangs, and the run has now noticed.
            _ => self.tell_released(),
        }
    }

    /// The event loop that runs the job hangs: nobody knows whether it ever goes on.
    pub fn stall(&mut self, now: Time) {
        self.handle_timeout(now);
        if let RunState::Holding(hold) = self.state {
            self.tell_lost(hold, Reason::Stalled);
            self.leave_hold(now, hold);
        }
    }

    pub(super) fn tell_released(&mut self) {
        if self.run == RunStage::Over {
            self.run = RunStage::Answered;
            self.outputs.push_back(RunOutput::Released);
        }
    }

    /// Answers the caller without a lease.
    pub(super) fn refuse(&mut self, now: Time, refusal: Refusal) {
        self.run = RunStage::Answered;
        let doubtful = self.doubtful || self.in_flight.is_some();
        self.outputs.push_back(RunOutput::Refused(refusal));
        if doubtful && !planted!(WithdrawNotSent) {
            return self.leave(now, self.withdrawal());
        }
        self.end();
    }

    pub(super) fn withdrawal(&self) -> RunCommand {
        RunCommand::Withdraw {
            identity: self.identity,
            tick: self.config.tick,
        }
    }

    pub(super) fn leave_hold(&mut self, now: Time, hold: Hold) {
        let command = RunCommand::Release {
            identity: self.identity,
            token: hold.token,
            min_hold: self.config.min_hold,
        };
        self.leave(now, command);
        if self.run == RunStage::Over && !planted!(ReleaseAwaitsReply) {
            let window_end = hold.confirmed_from + self.config.window();
            match window_end <= now {
                true => self.tell_released(),
                false => self.timers.window_end = Some(window_end),
            }
        }
    }

    pub(super) fn leave(&mut self, now: Time, command: RunCommand) {
        self.rest(RunState::Leaving {
            command: command.clone(),
        });
        self.failures = 0;
        // By then whatever was granted or renewed until now has run out.
        let moot = now + self.config.ttl;
        self.timers.moot = Some(moot);
        self.send(now, command, Some(moot));
    }

    /// Nothing is on its way any more. The run may still go on.
    pub(super) fn leave_off(&mut self) {
        match self.run {
            RunStage::Granted | RunStage::Begun => self.rest(RunState::Lost { kept: None }),
            _ => self.end(),
        }
    }

    pub(super) fn end(&mut self) {
        self.rest(RunState::Ended);
        self.outputs.push_back(RunOutput::Ended);
    }
}
