use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::releases::Releases;
use super::timer::{RunTimers, take_due};
use super::{Refusal, RunCommand, RunConfig, RunEnd, RunOutcome, RunOutput, RunRequest};
use crate::election::{Failure, Identity, Random, Reason, Time, Token, planted};

/// The lease of one run: asked for, perhaps waited for, renewed while the run lasts, and released.
///
/// It is told the time and handed what happened, and answers with [`RunOutput`]s. After every call
/// [`RunLease::poll_output`] is to be drained and [`RunLease::poll_timeout`] to be heeded. Where
/// a time has come by the `now` of any call, that goes first.
///
/// First comes `Granted` or `Refused`. After `Granted`, `Lost` at most once; `Released` once, when
/// [`RunLease::release`] or [`RunLease::abandon`] was called. `Ended` is the last of all, and
/// comes after a grant only when one of the two was called. With [`RunLease::miss`] all begins again.
/// [`RunLease::begin`] says that the run begins: from there on nothing is taken back, and before that nothing is
/// renewed.
#[derive(Clone, Debug)]
pub struct RunLease {
    pub(super) config: RunConfig,
    pub(super) random: Random,
    pub(super) identity: Identity,
    pub(super) state: RunState,
    pub(super) run: RunStage,
    pub(super) timers: RunTimers,
    pub(super) outputs: VecDeque<RunOutput>,
    last_id: u64,
    /// The request whose answer the state waits for.
    pub(super) in_flight: Option<u64>,
    /// It may have been granted, or may yet be, without our having used it.
    pub(super) doubtful: bool,
    /// While asking: a release that was heard of since the question can be had from here.
    pub(super) freed_at: Option<Time>,
    pub(super) releases: Releases,
    /// Another was granted our tick and has not begun to run: looked after until then, for how often.
    pub(super) pending: Option<(Time, u32)>,
    /// When the lease in hand was granted, as far as we know.
    pub(super) granted_at: Time,
    /// Commands have failed since the last answer; for how often, and why.
    pub(super) failures: u32,
    pub(super) cause: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RunState {
    Idle,
    Asking {
        wait_until: Time,
    },
    /// Another holds it; asked for again when it may be free.
    Waiting {
        wait_until: Time,
    },
    /// Another was granted the tick, or the lease, and has not begun to run; asked for again soon.
    Pending {
        wait_until: Time,
    },
    Holding(Hold),
    /// The run has had its time: renewed no more, and still to be released.
    Overrun(Hold),
    /// Told to be lost. The store may still keep it for us, where it has not said otherwise.
    Lost {
        kept: Option<Hold>,
    },
    /// A release or a withdrawal is on its way.
    Leaving {
        command: RunCommand,
    },
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub token: Token,
    /// The send time of the latest confirmed request: what the deadlines are measured from.
    pub confirmed_from: Time,
}

/// The run that the lease is for, as far as its caller has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunStage {
    /// Nothing was granted.
    NotBegun,
    /// It was granted, and there is no word yet that the run has begun.
    Granted,
    /// There is no word yet that it is over.
    Begun,
    /// The caller waits for [`RunOutput::Released`].
    Over,
    /// The caller waits for nothing more.
    Answered,
}

impl RunLease {
    pub fn new(config: RunConfig, mut random: Random) -> Self {
        let identity = Identity::new(random.next_u128());
        RunLease {
            config,
            random,
            identity,
            state: RunState::Idle,
            run: RunStage::NotBegun,
            timers: RunTimers::default(),
            outputs: VecDeque::new(),
            last_id: 0,
            in_flight: None,
            doubtful: false,
            freed_at: None,
            releases: Releases::default(),
            pending: None,
            granted_at: Time::ZERO,
            failures: 0,
            cause: None,
        }
    }

    /// Asks for the lease. [`RunOutput::Granted`] or [`RunOutput::Refused`] follows.
    pub fn acquire(&mut self, now: Time) {
        self.acquire_until(now, now + self.config.wait);
    }

    /// The same, where some of the time to wait is over already.
    pub fn acquire_until(&mut self, now: Time, wait_until: Time) {
        if self.state == RunState::Idle {
            self.ask(now, wait_until);
        }
    }

    /// The run begins now. From here on the tick is used up, whatever comes.
    pub fn begin(&mut self, now: Time) {
        self.handle_timeout(now);
        if self.run != RunStage::Granted {
            return;
        }
        self.run = RunStage::Begun;
        let RunState::Holding(hold) = self.state else {
            return;
        };
        if self.timers.renew.is_none() && self.in_flight.is_none() {
            // It was due before.
            self.go_on(now);
        } else if self.config.tick.is_some() {
            // Nobody waits for the answer: the next renewal or the release says the same.
            let command = RunCommand::Begin {
                identity: self.identity,
                token: hold.token,
            };
            let bound = self.config.command_bound();
            self.post(now, command, bound, bound);
        }
    }

    /// A request that asks for it was written to the socket.
    pub fn handle_sent(&mut self, now: Time, id: u64) {
        self.handle_timeout(now);
        if let RunState::Leaving {
            command: RunCommand::Release { .. },
        } = self.state
            && self.in_flight == Some(id)
            && !self.config.await_release
        {
            self.tell_released();
        }
    }

    /// Another run of this process is about to ask for the same lease, or its question is not sent yet: a release
    /// that may have been lost is sent before that.
    pub fn hasten(&mut self, now: Time) {
        self.handle_timeout(now);
        if self.has_to_repeat() && !planted!(LostReleaseWaits) {
            self.timers.again = None;
            self.go_on(now);
        }
    }

    /// The grant was noticed only when it had run out, or nearly so ([`RunConfig::least_to_begin`]), and no run has
    /// begun: asked for once more. [`RunOutput::Granted`] or [`RunOutput::Refused`] follows, as to the first question.
    pub fn miss(&mut self, now: Time) {
        self.handle_timeout(now);
        if self.run != RunStage::Granted {
            return;
        }
        self.doubtful = true;
        match self.state {
            RunState::Holding(_) | RunState::Overrun(_) | RunState::Lost { .. } => {
                self.rest(RunState::Idle);
                self.run = RunStage::NotBegun;
                // A caller that waited for it has done so.
                self.ask(now, now);
            }
            // Given up already, for a loop that hung: its release may yet come to the store.
            _ => {
                let cause = "the event loop stood still".into();
                self.refuse(now, Refusal::Unavailable { cause });
            }
        }
    }

    /// It has failed to give the lease back, and waits before it tries again.
    pub fn has_to_repeat(&self) -> bool {
        matches!(self.state, RunState::Leaving { .. }) && self.in_flight.is_none()
    }

    /// It has asked for the lease, and hears no answer yet.
    pub fn is_asking(&self) -> bool {
        matches!(self.state, RunState::Asking { .. }) && self.in_flight.is_some()
    }

    /// The run has had its time: renews no more, so that the lease runs out unless the run ends
    /// before that.
    pub fn overrun(&mut self) {
        if let RunState::Holding(hold) = self.state {
            self.rest(RunState::Overrun(hold));
        }
    }

    /// A process that was asked whether the lease is held has answered no: the deadline had passed.
    pub fn handle_expired(&mut self) {
        if let RunState::Holding(hold) = self.state {
            self.lose(hold, Reason::Expired, Some(hold));
        }
    }

    pub fn handle_reply(
        &mut self,
        now: Time,
        request: RunRequest,
        reply: Result<RunOutcome, Failure>,
    ) {
        if !planted!(LateReplyRevives) {
            self.handle_timeout(now);
        }
        self.hear_reply(now, request, reply);
    }

    pub fn handle_timeout(&mut self, now: Time) {
        if let RunState::Holding(hold) = self.state
            && take_due(&mut self.timers.step_down, now)
        {
            let reason = match self.failures {
                0 => Reason::Expired,
                _ => Reason::StoreLost,
            };
            self.lose(hold, reason, Some(hold));
        }
        let give_up = self.timers.give_up;
        if take_due(&mut self.timers.give_up, now) {
            self.end_asking(now, give_up.unwrap_or(now));
        }
        if take_due(&mut self.timers.window_end, now) {
            self.tell_released();
        }
        if take_due(&mut self.timers.moot, now) {
            self.tell_released();
            self.leave_off();
        }
        if take_due(&mut self.timers.long, now)
            && let RunState::Holding(_) = self.state
        {
            let held = now.since(self.granted_at);
            self.outputs.push_back(RunOutput::LongRun { held });
        }
        if take_due(&mut self.timers.again, now) | take_due(&mut self.timers.renew, now) {
            return self.go_on(now);
        }
        if take_due(&mut self.timers.heard, now) {
            self.releases
                .note_asked(now, self.config.release_interval());
            self.go_on(now);
        }
    }

    /// When [`RunLease::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.earliest()
    }

    pub fn poll_output(&mut self) -> Option<RunOutput> {
        self.outputs.pop_front()
    }

    /// What is due: to ask, to ask again, to renew, or to release again.
    pub(super) fn go_on(&mut self, now: Time) {
        match self.state.clone() {
            RunState::Waiting { wait_until } if now >= wait_until => {
                self.refuse(now, Refusal::Held)
            }
            RunState::Asking { wait_until }
            | RunState::Waiting { wait_until }
            | RunState::Pending { wait_until } => self.ask(now, wait_until),
            // Nobody took it: it runs out, and is asked for again by who notices it then.
            RunState::Holding(_) if self.run == RunStage::Granted && !planted!(KeptForNobody) => {}
            RunState::Holding(hold) => {
                let command = RunCommand::Renew {
                    identity: self.identity,
                    token: hold.token,
                    ttl: self.config.ttl,
                };
                self.send(now, command, self.timers.step_down);
            }
            RunState::Leaving { command } => self.send(now, command, self.timers.moot),
            RunState::Idle | RunState::Overrun(_) | RunState::Lost { .. } | RunState::Ended => {}
        }
    }

    pub(super) fn ask(&mut self, now: Time, wait_until: Time) {
        self.state = RunState::Asking { wait_until };
        self.freed_at = None;
        self.timers.again = None;
        self.timers.heard = None;
        let give_up = now + self.config.acquire_timeout;
        let give_up = *self.timers.give_up.get_or_insert(give_up);
        let command = RunCommand::Acquire {
            identity: self.identity,
            ttl: self.config.ttl,
            tick: self.config.tick,
        };
        self.send(now, command, Some(give_up));
    }

    /// Held until the step-down deadline that follows from the send of what was confirmed.
    pub(super) fn hold(&mut self, token: Token, confirmed_from: Time) -> Time {
        let step_down_at = confirmed_from + self.config.term();
        self.state = RunState::Holding(Hold {
            token,
            confirmed_from,
        });
        self.timers.step_down = Some(step_down_at);
        self.timers.renew = Some(confirmed_from + self.config.renew_interval());
        step_down_at
    }

    /// Not held any more; `kept` where the store may not know that.
    pub(super) fn lose(&mut self, hold: Hold, reason: Reason, kept: Option<Hold>) {
        self.tell_lost(hold, reason);
        self.rest(RunState::Lost { kept });
    }

    pub(super) fn tell_lost(&mut self, hold: Hold, reason: Reason) {
        let token = hold.token;
        self.outputs
            .push_back(RunOutput::Lost(RunEnd { token, reason }));
    }

    /// The store has had its time, since `due`, and did not answer.
    fn end_asking(&mut self, now: Time, due: Time) {
        if let RunState::Asking { wait_until } = self.state
            && now >= due + STANDSTILL
        {
            // It was this process that stood still, or has much to do. The answer may lie unread, and the tick may
            // have been taken for us: given up here, nobody would run it.
            if self.in_flight.is_none() {
                return self.ask(now, wait_until);
            }
            // What became of the question is still to be heard. To ask again meanwhile would double the work of a
            // process that is behind.
            self.timers.give_up = Some(now + self.config.acquire_timeout);
            return;
        }
        self.give_up(now);
    }

    pub(super) fn give_up(&mut self, now: Time) {
        let cause = self.cause.clone();
        let cause = cause.unwrap_or_else(|| "no answer from the store".into());
        self.refuse(now, Refusal::Unavailable { cause });
    }

    /// Goes to a state that waits for no answer and no time.
    pub(super) fn rest(&mut self, state: RunState) {
        self.timers.clear();
        self.in_flight = None;
        self.state = state;
    }

    /// Sends a command, which has until `deadline` at most; past it the deadline's own timer acts.
    pub(super) fn send(&mut self, now: Time, command: RunCommand, deadline: Option<Time>) {
        let remaining = deadline.map_or(Duration::MAX, |deadline| deadline.since(now));
        if remaining.is_zero() {
            return;
        }
        let command_bound = self.config.command_bound();
        let (bound, patience) = match command {
            // Whoever is at the end of a long line would lose its place by asking again.
            RunCommand::Acquire { .. } => (self.config.question_bound(), remaining),
            _ => (command_bound, command_bound.min(remaining)),
        };
        self.post(now, command, bound.min(remaining), patience);
        self.in_flight = Some(self.last_id);
    }

    /// Sends a command that no state waits for.
    fn post(&mut self, now: Time, command: RunCommand, bound: Duration, patience: Duration) {
        self.last_id += 1;
        let is_release = matches!(command, RunCommand::Release { .. });
        self.outputs.push_back(RunOutput::Send(RunRequest {
            id: self.last_id,
            sent_at: now,
            bound,
            patience,
            command,
            tell_sent: is_release && !self.config.await_release,
        }));
    }
}

/// A timer that is late by so much was not late alone: all of the process stood still. Where that is
/// wrong, a store without an answer is borne for longer, no more.
const STANDSTILL: Duration = Duration::from_millis(100);
