use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::timer::{Timers, take_due};
use super::{
    Refusal, ScopedCommand, ScopedConfig, ScopedEnd, ScopedOutcome, ScopedOutput, ScopedRequest,
};
use crate::election::{Failure, Grant, Identity, Random, Reason, Time, Token};

/// The lease of one run: asked for, perhaps waited for, renewed while the run lasts, and released.
///
/// It is told the time and handed what happened, and answers with [`ScopedOutput`]s. After every call
/// [`ScopedLease::poll_output`] is to be drained and [`ScopedLease::poll_timeout`] to be heeded.
#[derive(Clone, Debug)]
pub struct ScopedLease {
    config: ScopedConfig,
    random: Random,
    identity: Identity,
    state: State,
    timers: Timers,
    outputs: VecDeque<ScopedOutput>,
    last_id: u64,
    /// The request whose answer the state waits for.
    in_flight: Option<u64>,
    /// An acquire was sent whose outcome is not known: it may yet be granted.
    doubtful: bool,
    /// Commands have failed since the last answer; for how often, and why.
    failures: u32,
    cause: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Asking {
        wait_until: Time,
    },
    /// Another holds it; asked for again when it may be free.
    Waiting {
        wait_until: Time,
    },
    Holding(Hold),
    /// Not held any more, while the run may not know yet.
    Lost {
        /// To be released when the run is over, if that is before the lease has run out.
        held: Option<Hold>,
    },
    /// A release or a withdrawal is on its way.
    Leaving {
        command: ScopedCommand,
        /// The caller was told that it need not wait.
        told: bool,
    },
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hold {
    token: Token,
    /// The send time of the latest confirmed request: what the deadlines are measured from.
    confirmed_from: Time,
}

impl ScopedLease {
    pub fn new(config: ScopedConfig, mut random: Random) -> Self {
        let identity = Identity::new(random.next_u128());
        ScopedLease {
            config,
            random,
            identity,
            state: State::Idle,
            timers: Timers::default(),
            outputs: VecDeque::new(),
            last_id: 0,
            in_flight: None,
            doubtful: false,
            failures: 0,
            cause: None,
        }
    }

    /// Asks for the lease. [`ScopedOutput::Granted`] or [`ScopedOutput::Refused`] follows.
    pub fn acquire(&mut self, now: Time) {
        if self.state == State::Idle {
            let wait_until = now + self.config.wait;
            self.ask(now, wait_until);
        }
    }

    /// The caller wants it no more, and no run has begun. Where it was granted already, that is taken
    /// back: the tick is not used up.
    pub fn abandon(&mut self, now: Time) {
        match self.state {
            State::Idle | State::Asking { .. } | State::Waiting { .. } => {
                self.refuse(now, Refusal::Abandoned);
            }
            State::Holding(hold) => {
                let moot = hold.confirmed_from + self.config.window();
                self.leave(now, self.withdrawal(), false, moot);
            }
            State::Lost { .. } => self.release(now),
            State::Leaving { .. } | State::Ended => {}
        }
    }

    /// The run is over.
    pub fn release(&mut self, now: Time) {
        match &mut self.state {
            State::Holding(hold) | State::Lost { held: Some(hold) } => {
                let hold = *hold;
                self.leave_hold(now, hold, false);
            }
            State::Lost { held: None } => {
                self.outputs.push_back(ScopedOutput::Released);
                self.end();
            }
            // It was given up for a loop that hangs, and the run has now noticed.
            State::Leaving { told: true, .. } | State::Ended => {
                self.outputs.push_back(ScopedOutput::Released);
            }
            _ => self.abandon(now),
        }
    }

    /// The run has had its time: renews no more, so that the lease runs out unless the run ends
    /// before that.
    pub fn overrun(&mut self) {
        if let State::Holding(hold) = self.state {
            self.timers.clear();
            self.in_flight = None;
            self.state = State::Lost { held: Some(hold) };
        }
    }

    /// The event loop that runs the job hangs: nobody knows whether it ever goes on.
    pub fn stall(&mut self, now: Time) {
        if let State::Holding(hold) = self.state {
            self.tell_lost(hold, Reason::Stalled);
            self.leave_hold(now, hold, true);
        }
    }

    /// A process that was asked whether the lease is held has answered no: the deadline had passed.
    pub fn handle_expired(&mut self) {
        if let State::Holding(hold) = self.state {
            self.lose(hold, Reason::Expired);
        }
    }

    /// Somebody released the resource; it can be had after `delay`.
    pub fn handle_message(&mut self, now: Time, delay: Duration) {
        if let State::Waiting { wait_until } = self.state {
            match delay.is_zero() {
                true => self.ask(now, wait_until),
                false => self.timers.again = Some((now + delay).min(wait_until)),
            }
        }
    }

    pub fn handle_reply(
        &mut self,
        now: Time,
        request: ScopedRequest,
        reply: Result<ScopedOutcome, Failure>,
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
        match self.state.clone() {
            State::Asking { wait_until } => self.hear_asked(now, wait_until, request, reply),
            State::Holding(hold) => self.hear_renewed(now, hold, request, reply),
            State::Leaving { command, told } => self.hear_left(now, command, told, reply),
            State::Idle | State::Waiting { .. } | State::Lost { .. } | State::Ended => {}
        }
    }

    pub fn handle_timeout(&mut self, now: Time) {
        if let State::Holding(hold) = self.state
            && take_due(&mut self.timers.step_down, now)
        {
            let failing = self.failures > 0 || self.in_flight.is_some();
            let reason = if failing {
                Reason::StoreLost
            } else {
                Reason::Expired
            };
            self.lose(hold, reason);
        }
        if take_due(&mut self.timers.give_up, now) {
            let cause = self.cause.clone();
            let cause = cause.unwrap_or_else(|| "no answer from the store".into());
            self.refuse(now, Refusal::Unavailable { cause });
        }
        if take_due(&mut self.timers.moot, now) {
            self.tell_released();
            self.end();
        }
        if take_due(&mut self.timers.again, now) | take_due(&mut self.timers.renew, now) {
            self.go_on(now);
        }
    }

    /// When [`ScopedLease::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.earliest()
    }

    pub fn poll_output(&mut self) -> Option<ScopedOutput> {
        self.outputs.pop_front()
    }

    /// What is due: to ask, to ask again, to renew, or to release again.
    fn go_on(&mut self, now: Time) {
        match self.state.clone() {
            State::Waiting { wait_until } if now >= wait_until => self.refuse(now, Refusal::Held),
            State::Asking { wait_until } | State::Waiting { wait_until } => {
                self.ask(now, wait_until);
            }
            State::Holding(hold) => {
                let command = ScopedCommand::Renew {
                    identity: self.identity,
                    token: hold.token,
                    ttl: self.config.ttl,
                };
                self.send(now, command, self.timers.step_down);
            }
            State::Leaving { command, .. } => self.send(now, command, self.timers.moot),
            State::Idle | State::Lost { .. } | State::Ended => {}
        }
    }

    fn ask(&mut self, now: Time, wait_until: Time) {
        self.state = State::Asking { wait_until };
        self.timers.again = None;
        let give_up = now + self.config.acquire_timeout;
        let give_up = *self.timers.give_up.get_or_insert(give_up);
        let command = ScopedCommand::Acquire {
            identity: self.identity,
            ttl: self.config.ttl,
            tick: self.config.tick,
        };
        self.send(now, command, Some(give_up));
    }

    fn hear_asked(
        &mut self,
        now: Time,
        wait_until: Time,
        request: ScopedRequest,
        reply: Result<ScopedOutcome, Failure>,
    ) {
        match reply {
            Ok(ScopedOutcome::Granted(token)) => {
                // Frozen since it was sent: asked for once more, the same grant is confirmed anew.
                if now >= request.sent_at + self.config.term() {
                    return self.ask(now, wait_until);
                }
                self.timers.clear();
                let hold = self.hold(token, request.sent_at);
                self.outputs.push_back(ScopedOutput::Granted(Grant {
                    token,
                    step_down_at: hold.confirmed_from + self.config.term(),
                }));
            }
            Ok(ScopedOutcome::Held(remaining)) => {
                self.timers.give_up = None;
                if now >= wait_until {
                    return self.refuse(now, Refusal::Held);
                }
                self.state = State::Waiting { wait_until };
                // Redis tells whole milliseconds, and lets a key go with the next one.
                let again = now + remaining + Duration::from_millis(1);
                self.timers.again = Some(again.min(wait_until));
            }
            Ok(_) => self.refuse(now, Refusal::Ran),
            Err(Failure::Denied { cause }) => self.refuse(now, Refusal::Denied { cause }),
            Err(failure) => self.repeat(now, &failure),
        }
    }

    fn hear_renewed(
        &mut self,
        now: Time,
        hold: Hold,
        request: ScopedRequest,
        reply: Result<ScopedOutcome, Failure>,
    ) {
        match reply {
            Ok(ScopedOutcome::Renewed) => {
                self.hold(hold.token, request.sent_at);
                self.outputs.push_back(ScopedOutput::Extended {
                    step_down_at: request.sent_at + self.config.term(),
                });
            }
            Ok(ScopedOutcome::Gone) => self.lose(hold, Reason::StoreLost),
            Ok(_) => self.lose(hold, Reason::Superseded),
            Err(failure) => self.repeat(now, &failure),
        }
    }

    fn hear_left(
        &mut self,
        now: Time,
        command: ScopedCommand,
        told: bool,
        reply: Result<ScopedOutcome, Failure>,
    ) {
        if !told {
            self.outputs.push_back(ScopedOutput::Released);
        }
        self.state = State::Leaving {
            command,
            told: true,
        };
        match reply {
            Ok(_) | Err(Failure::Denied { .. }) => self.end(),
            Err(failure) => self.repeat(now, &failure),
        }
    }

    /// An unknown outcome is asked for again at once, over another connection; an error that the
    /// server answered with after a pause.
    fn repeat(&mut self, now: Time, failure: &Failure) {
        let doublings = self.failures;
        self.failures = self.failures.saturating_add(1);
        if let Failure::Unknown { .. } = failure {
            return self.go_on(now);
        }
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let longest = self.config.command_bound();
        let nominal = self
            .config
            .first_retry()
            .saturating_mul(factor)
            .min(longest);
        let pause = nominal / 2 + self.random.up_to(nominal / 2);
        self.timers.again = Some(now + pause);
    }

    fn hold(&mut self, token: Token, confirmed_from: Time) -> Hold {
        let hold = Hold {
            token,
            confirmed_from,
        };
        self.state = State::Holding(hold);
        self.timers.step_down = Some(confirmed_from + self.config.term());
        self.timers.renew = Some(confirmed_from + self.config.renew_interval());
        hold
    }

    fn lose(&mut self, hold: Hold, reason: Reason) {
        self.tell_lost(hold, reason);
        self.timers.clear();
        self.in_flight = None;
        self.state = State::Lost { held: None };
    }

    fn tell_lost(&mut self, hold: Hold, reason: Reason) {
        let token = hold.token;
        self.outputs
            .push_back(ScopedOutput::Lost(ScopedEnd { token, reason }));
    }

    fn refuse(&mut self, now: Time, refusal: Refusal) {
        let doubtful = self.doubtful || self.in_flight.is_some();
        let known = matches!(refusal, Refusal::Held | Refusal::Ran);
        self.outputs.push_back(ScopedOutput::Refused(refusal));
        if known || !doubtful {
            return self.end();
        }
        self.leave(now, self.withdrawal(), true, now + self.config.ttl);
    }

    fn withdrawal(&self) -> ScopedCommand {
        ScopedCommand::Withdraw {
            identity: self.identity,
            tick: self.config.tick,
        }
    }

    fn leave_hold(&mut self, now: Time, hold: Hold, told: bool) {
        let command = ScopedCommand::Release {
            identity: self.identity,
            token: hold.token,
            min_hold: self.config.min_hold,
        };
        let moot = hold.confirmed_from + self.config.window();
        self.leave(now, command, told, moot);
    }

    fn leave(&mut self, now: Time, command: ScopedCommand, told: bool, moot: Time) {
        self.timers.clear();
        self.in_flight = None;
        self.failures = 0;
        self.timers.moot = Some(moot);
        self.state = State::Leaving {
            command: command.clone(),
            told,
        };
        self.send(now, command, Some(moot));
    }

    fn tell_released(&mut self) {
        if let State::Leaving { told: false, .. } = self.state {
            self.outputs.push_back(ScopedOutput::Released);
        }
    }

    fn end(&mut self) {
        self.timers.clear();
        self.in_flight = None;
        self.state = State::Ended;
        self.outputs.push_back(ScopedOutput::Ended);
    }

    /// Sends a command, which has until `deadline` at most; past it the deadline's own timer acts.
    fn send(&mut self, now: Time, command: ScopedCommand, deadline: Option<Time>) {
        let remaining = deadline.map_or(Duration::MAX, |deadline| deadline.since(now));
        if remaining.is_zero() {
            return;
        }
        self.last_id += 1;
        self.in_flight = Some(self.last_id);
        self.outputs.push_back(ScopedOutput::Send(ScopedRequest {
            id: self.last_id,
            sent_at: now,
            bound: self.config.command_bound().min(remaining),
            command,
        }));
    }
}
