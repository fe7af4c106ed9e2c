use std::collections::VecDeque;
use std::time::Duration;

use super::config::LONGEST_REST;
use super::health::Health;
use super::hints::Hints;
use super::pending_release::{PendingRelease, Step};
use super::state::State;
use super::timer::{Timer, Timers};
use super::watch::Watch;
use super::{
    Answer, Config, Event, Failure, Identity, Message, Notice, Output, Primary, Random, Reason,
    Reply, Request, Time, Token, planted,
};

/// One candidate of one election.
///
/// Tell it what happened with the verbs below, each with the present time; after each, take the
/// outputs until there are none, and ask when to call [`Election::handle_timeout`]. Where a time
/// and something else have both come, the time goes first: no reply that comes after the step-down
/// deadline revives a term.
#[derive(Clone, Debug)]
pub struct Election {
    pub(super) config: Config,
    pub(super) random: Random,
    pub(super) state: State,
    /// Since when a caller waits for an answer.
    pub(super) asked: Option<Time>,
    pub(super) listening: bool,
    /// The event loop hangs: nothing may be won until it turns again.
    pub(super) suspended: bool,
    /// Releases that the store has not answered yet.
    pub(super) pending_releases: Vec<PendingRelease>,
    /// Until when the caller of each resign that has not ended waits at most, the earliest first.
    pub(super) leaving: VecDeque<Time>,
    /// Identities given up last, and when the window of the term that they served ends: a late grant for
    /// one of them is released, but not while work of that term may be in flight.
    pub(super) given_up: VecDeque<(Identity, Time)>,
    /// Acquires without an answer, the present standing's among them.
    pub(super) open_acquires: Vec<(u64, Identity)>,
    /// The acquire, renewal or inspection that is waited for; there is one at a time.
    pub(super) in_flight: Option<u64>,
    /// Such a command is to be sent as soon as the one in flight and the pause after a failure allow.
    pub(super) due: bool,
    /// Failures in a row of such commands.
    pub(super) attempts: u32,
    pub(super) watch: Option<Watch>,
    /// How long those of a higher rank are let go first, as far as was told.
    pub(super) yields: Duration,
    /// When the roster was last signed in this standing.
    pub(super) signed_at: Option<Time>,
    /// Who is primary as the outside was last told; `None` where nothing was seen yet.
    pub(super) view: Option<Option<Primary>>,
    /// The highest token ever seen.
    pub(super) floor: Token,
    pub(super) health: Health,
    pub(super) timers: Timers,
    pub(super) hints: Hints,
    /// When the present or the last term began, and how often in a row its work has failed.
    pub(super) elected_at: Time,
    pub(super) failures: u32,
    /// No acquire of this candidate was ever answered.
    pub(super) fresh: bool,
    pub(super) said_nobody_listens: bool,
    /// `Ended` is owed.
    pub(super) ending: bool,
    pub(super) next_id: u64,
    pub(super) outputs: VecDeque<Output>,
    #[cfg(test)]
    pub(super) mistakes: planted::Memory,
}

impl Election {
    pub fn new(config: Config, random: Random) -> Self {
        Election {
            config,
            random,
            state: State::Idle,
            asked: None,
            listening: false,
            suspended: false,
            pending_releases: Vec::new(),
            leaving: VecDeque::new(),
            given_up: VecDeque::new(),
            open_acquires: Vec::new(),
            in_flight: None,
            due: false,
            attempts: 0,
            watch: None,
            yields: Duration::ZERO,
            signed_at: None,
            view: None,
            floor: Token::NONE,
            health: Health::default(),
            elected_at: Time::ZERO,
            failures: 0,
            timers: Timers::default(),
            hints: Hints::default(),
            fresh: true,
            said_nobody_listens: false,
            ending: false,
            next_id: 1,
            outputs: VecDeque::new(),
            #[cfg(test)]
            mistakes: Default::default(),
        }
    }

    /// A caller waits for an answer: [`Output::Answer`] follows. Starts a campaign, also while an
    /// earlier one is still being released, or joins the one under way.
    pub fn campaign(&mut self, now: Time) {
        self.lapse(now);
        self.timers.clear(Timer::Rest);
        match &self.state {
            State::Primary(term) => {
                let token = term.lease.token;
                self.outputs
                    .push_back(Output::Answer(Answer::Elected(token)));
            }
            State::Idle | State::Watching => {
                self.asked = Some(now);
                self.stand(now);
            }
            State::Standing(_) | State::Lapsed | State::Suspended => {
                self.asked.get_or_insert(now);
                self.watch_establishing();
            }
        }
        self.advance(now);
    }

    /// Whether somebody listens for an election. Without, a campaign that has answered watches but
    /// does not stand: a caller who looked at the answer alone must not become primary without noticing.
    pub fn listen(&mut self, now: Time, listening: bool) {
        self.lapse(now);
        self.listening = listening;
        match &self.state {
            State::Watching if listening => self.go_on(now),
            State::Standing(_) if !listening && self.asked.is_none() => self.look_on(now),
            _ => {}
        }
        self.advance(now);
    }

    /// Ends the campaign: no event follows its `Resigned`. [`Output::Ended`] follows once nothing
    /// of it is on its way any more, also when there was no campaign; before that
    /// [`Output::Unconfirmed`] where the store is silent for too long.
    pub fn resign(&mut self, now: Time, reason: Reason) {
        self.lapse(now);
        let campaigning = self.state != State::Idle;
        let token = self.leave(now, reason);
        self.end_campaign();
        self.bound_resign(now);
        if campaigning {
            self.outputs
                .push_back(Output::Event(Event::Resigned { token, reason }));
        }
        self.answer(Answer::Resigned);
        self.advance(now);
    }

    /// The event loop hangs: a lease is given back at once, since nobody is there who could stop
    /// the work in the time that a loss allows for it, and nothing is asked for until
    /// [`Election::resume`].
    pub fn suspend(&mut self, now: Time) {
        self.lapse(now);
        self.suspended = true;
        if matches!(
            self.state,
            State::Watching | State::Standing(_) | State::Primary(_)
        ) {
            let reason = Reason::Stalled;
            if let Some(token) = self.leave(now, reason) {
                self.outputs
                    .push_back(Output::Event(Event::Lost { token, reason }));
            }
            self.pause();
        }
        self.advance(now);
    }

    /// The work under the lease with this token failed, and nobody does it any more: the lease is given
    /// back, at once or, where other work under it has yet to stop, at the end of its window. This
    /// server looks on for a while, so that another may do better, before it stands again.
    pub fn fail(&mut self, now: Time, token: Token, others_work: bool) {
        self.lapse(now);
        if matches!(&self.state, State::Primary(term) if term.lease.token == token) {
            if now.since(self.elected_at) > LONGEST_REST {
                self.failures = 0;
            }
            let until = now + self.config.rest(self.failures);
            self.failures += 1;
            self.timers.set(Timer::Rest, until);
            let reason = Reason::Failed;
            if others_work && !planted!(FailureForgetsOthers) {
                self.lose(now, reason);
            } else {
                self.leave(now, reason);
                self.outputs
                    .push_back(Output::Event(Event::Lost { token, reason }));
                self.go_on(now);
            }
        }
        self.advance(now);
    }

    /// The work under the lease with this token has stopped, after [`Output::Asked`].
    pub fn step_aside(&mut self, now: Time, token: Token) {
        self.lapse(now);
        if matches!(&self.state, State::Primary(term) if term.asked && term.lease.token == token) {
            self.make_room(now);
        }
        self.advance(now);
    }

    /// The event loop turns again.
    pub fn resume(&mut self, now: Time) {
        self.lapse(now);
        self.suspended = false;
        if self.state == State::Suspended {
            self.go_on(now);
        }
        self.advance(now);
    }

    /// The store's answer to `request`, or why there is none. Answers may come late or twice.
    pub fn handle_reply(&mut self, now: Time, request: Request, reply: Result<Reply, Failure>) {
        if !planted!(LateReplyRevives) {
            self.lapse(now);
        }
        #[cfg(test)]
        let request = self.mistakes.mistake_request(now, request);
        self.hear_reply(now, request, reply);
        self.advance(now);
    }

    /// A message from the changes channel.
    pub fn handle_message(&mut self, now: Time, message: Message) {
        self.lapse(now);
        self.hear_message(now, message);
        self.advance(now);
    }

    /// The time given by [`Election::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Time) {
        self.lapse(now);
        for timer in self.timers.take_all_due(now) {
            match timer {
                // `lapse` has seen to these.
                Timer::StepDown | Timer::WindowEnd => {}
                Timer::Poll => {
                    self.due = true;
                    self.notice_that_nobody_listens();
                }
                Timer::Renew | Timer::Retry | Timer::Takeover => self.due = true,
                Timer::Ripe => self.take_ripe(now),
                Timer::RenewalLate => self.report_late(),
                Timer::Aside => self.make_room(now),
                Timer::Rest if self.state == State::Watching => self.go_on(now),
                Timer::Rest => {}
                Timer::Unavailable => self.report_unavailable(),
                Timer::Establish => {
                    self.report_unavailable();
                    let cause = self.health.cause();
                    self.answer_and_go_on(now, Answer::Unavailable { cause });
                }
            }
        }
        self.advance(now);
    }

    /// Somebody who looked at the lease has been told already that it is not held any more (its
    /// deadline had passed when they looked): it must not be extended.
    pub fn handle_expired(&mut self, now: Time) {
        self.lapse(now);
        self.expire(now);
        self.advance(now);
    }

    /// When [`Election::handle_timeout`] is to be called, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Time> {
        let pending_releases = self
            .pending_releases
            .iter()
            .filter_map(PendingRelease::due_at);
        let leaving = self.leaving.front().copied();
        pending_releases
            .chain(self.timers.earliest())
            .chain(leaving)
            .min()
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Steps down, or stands again, where the time for it has come.
    fn lapse(&mut self, now: Time) {
        if self.timers.take_due(Timer::StepDown, now) {
            self.expire(now);
        }
        if self.timers.take_due(Timer::WindowEnd, now) && self.state == State::Lapsed {
            self.go_on(now);
        }
    }

    fn expire(&mut self, now: Time) {
        if let State::Primary(term) = &self.state {
            let failing = term.failing || self.health.unavailable;
            let reason = if failing {
                Reason::StoreLost
            } else {
                Reason::Expired
            };
            self.lose(now, reason);
        }
    }

    fn report_late(&mut self) {
        let State::Primary(term) = &mut self.state else {
            #[cfg(test)]
            self.mistakes.report_late(&mut self.outputs);
            return;
        };
        term.late = true;
        let (token, step_down_at) = (term.lease.token, term.lease.step_down_at());
        let late = Event::RenewalLate {
            token,
            step_down_at,
        };
        self.outputs.push_back(Output::Event(late));
    }

    /// Lets another server take over, which has the time for that before this one stands again.
    fn make_room(&mut self, now: Time) {
        let reason = Reason::Asked;
        let Some(token) = self.leave(now, reason) else {
            return;
        };
        self.timers.set(Timer::Rest, now + self.config.ttl);
        self.outputs
            .push_back(Output::Event(Event::Lost { token, reason }));
        self.go_on(now);
    }

    fn notice_that_nobody_listens(&mut self) {
        if self.state == State::Watching && !self.listening && !self.said_nobody_listens {
            self.said_nobody_listens = true;
            self.outputs
                .push_back(Output::Notice(Notice::NobodyListens));
        }
    }

    pub(super) fn report_unavailable(&mut self) {
        if self.state != State::Idle && !self.health.unavailable {
            self.health.unavailable = true;
            self.timers.clear(Timer::Unavailable);
            let cause = self.health.cause();
            self.outputs
                .push_back(Output::Event(Event::Unavailable { cause }));
        }
    }

    /// Answers the caller who waits, if there is one.
    pub(super) fn answer(&mut self, answer: Answer) {
        self.timers.clear(Timer::Establish);
        if self.asked.take().is_some() {
            self.outputs.push_back(Output::Answer(answer));
        }
    }

    /// Answers without a lease; the campaign goes on, standing only while somebody listens.
    pub(super) fn answer_and_go_on(&mut self, now: Time, answer: Answer) {
        self.answer(answer);
        if matches!(self.state, State::Standing(_)) && !self.listening {
            self.look_on(now);
        }
    }

    /// Says goodbye to an identity: the store is asked to release it until it has answered.
    pub(super) fn release_later(&mut self, pending_release: PendingRelease) {
        let known = self
            .pending_releases
            .iter()
            .any(|f| f.identity == pending_release.identity);
        if !known {
            self.pending_releases.push(pending_release);
        }
    }

    /// Whether the identity was one of ours, and is not used any more.
    pub(super) fn gave_up(&self, identity: Identity) -> bool {
        self.given_up.iter().any(|(known, _)| *known == identity)
    }

    /// The pending_release of an identity that may have been granted without our knowledge.
    pub(super) fn release_ghost(&mut self, now: Time, identity: Identity) {
        if planted!(ResignForgetsAcquire) {
            return;
        }
        let served = self.given_up.iter().find(|(known, _)| *known == identity);
        let window_end = served.map_or(now, |(_, window_end)| now.max(*window_end));
        self.release_later(PendingRelease {
            identity,
            term: None,
            over: None,
            listeners: 0,
            reason: None,
            step: Step::Due(window_end),
            attempts: 0,
            window_end,
        });
    }
}
