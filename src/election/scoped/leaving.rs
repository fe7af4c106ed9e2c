//! How a lease is given back, or an acquire that nobody heard the answer of is taken back.

use super::scoped_lease::{Hold, Run, State};
use super::{Refusal, ScopedCommand, ScopedLease, ScopedOutput};
use crate::election::{Reason, Time, planted};

impl ScopedLease {
    /// The caller wants it no more. Where it was granted and the run has not begun, the grant is taken
    /// back: the tick is not used up.
    pub fn abandon(&mut self, now: Time) {
        self.handle_timeout(now);
        match self.run {
            Run::NotBegun => self.refuse(now, Refusal::Abandoned),
            Run::Begun if !planted!(WithdrawnAfterItBegan) => self.release(now),
            Run::Granted | Run::Begun => {
                self.run = Run::Over;
                if !matches!(self.state, State::Holding(_) | State::Overrun(_)) {
                    self.tell_released();
                }
                self.leave(now, self.withdrawal());
            }
            Run::Over | Run::Answered => {}
        }
    }

    /// The run is over.
    pub fn release(&mut self, now: Time) {
        self.handle_timeout(now);
        match self.run {
            Run::NotBegun => return self.refuse(now, Refusal::Abandoned),
            Run::Granted | Run::Begun => self.run = Run::Over,
            Run::Over | Run::Answered => return,
        }
        match self.state {
            State::Holding(hold) | State::Overrun(hold) => self.leave_hold(now, hold),
            State::Lost { kept } => {
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
        if let State::Holding(hold) = self.state {
            self.tell_lost(hold, Reason::Stalled);
            self.leave_hold(now, hold);
        }
    }

    pub(super) fn tell_released(&mut self) {
        if self.run == Run::Over {
            self.run = Run::Answered;
            self.outputs.push_back(ScopedOutput::Released);
        }
    }

    /// Answers the caller without a lease.
    pub(super) fn refuse(&mut self, now: Time, refusal: Refusal) {
        self.run = Run::Answered;
        let doubtful = self.doubtful || self.in_flight.is_some();
        self.outputs.push_back(ScopedOutput::Refused(refusal));
        if doubtful && !planted!(WithdrawNotSent) {
            return self.leave(now, self.withdrawal());
        }
        self.end();
    }

    pub(super) fn withdrawal(&self) -> ScopedCommand {
        ScopedCommand::Withdraw {
            identity: self.identity,
            tick: self.config.tick,
        }
    }

    pub(super) fn leave_hold(&mut self, now: Time, hold: Hold) {
        let command = ScopedCommand::Release {
            identity: self.identity,
            token: hold.token,
            min_hold: self.config.min_hold,
        };
        self.leave(now, command);
        if self.run == Run::Over && !planted!(ReleaseAwaitsReply) {
            let window_end = hold.confirmed_from + self.config.window();
            match window_end <= now {
                true => self.tell_released(),
                false => self.timers.window_end = Some(window_end),
            }
        }
    }

    pub(super) fn leave(&mut self, now: Time, command: ScopedCommand) {
        self.rest(State::Leaving {
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
            Run::Granted | Run::Begun => self.rest(State::Lost { kept: None }),
            _ => self.end(),
        }
    }

    pub(super) fn end(&mut self) {
        self.rest(State::Ended);
        self.outputs.push_back(ScopedOutput::Ended);
    }
}
