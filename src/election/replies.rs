//! What a candidate makes of the store's replies and messages.

use super::crowd;
use super::pending_release::Step;
use super::state::{Standing, State};
use super::timer::Timer;
use super::watch::{Sight, Watch, is_free};
use super::{
    Answer, Command, Election, Event, Failure, Identity, Outcome, Output, Primary, Reason, Record,
    Reply, Request, Time, Token, planted,
};

impl Election {
    pub(super) fn hear_reply(
        &mut self,
        now: Time,
        request: Request,
        reply: Result<Reply, Failure>,
    ) {
        self.open_acquires.retain(|(id, _)| *id != request.id);
        let awaited = self.in_flight == Some(request.id);
        if awaited {
            self.in_flight = None;
        }
        match reply {
            Err(failure) => self.hear_failure(now, &request, &failure, awaited),
            Ok(reply) => {
                self.hear_answer();
                if awaited {
                    self.attempts = 0;
                }
                let mut seen_at = now;
                if let Some(record) = &reply.record {
                    self.floor = self.floor.max(record.token);
                    self.release_if_ghost(now, record);
                    seen_at = self.first_seen(now, request.sent_at, record);
                }
                match &request.command {
                    Command::Acquire { identity, .. } => {
                        self.fresh = false;
                        if let Some(record) = &reply.record {
                            self.hear_ranks(record);
                        }
                        self.hear_acquired(now, seen_at, &request, *identity, reply);
                    }
                    Command::Renew {
                        identity, token, ..
                    } => {
                        self.hear_renewed(now, seen_at, &request, *identity, *token, reply);
                    }
                    Command::Release { .. } => self.hear_released(now, seen_at, &request, reply),
                    Command::Inspect => match reply.record {
                        Some(record) => self.observe(now, seen_at, &record),
                        None => self.watch = None,
                    },
                    // Not asked by a candidate.
                    Command::AskToResign { .. } => {}
                }
                if awaited {
                    self.schedule_poll(now);
                }
            }
        }
    }

    fn hear_answer(&mut self) {
        self.timers.clear(Timer::Unavailable);
        self.timers.clear(Timer::Establish);
        if self.health.answered() && self.state != State::Idle {
            self.outputs.push_back(Output::Event(Event::Available));
        }
    }

    fn hear_failure(&mut self, now: Time, request: &Request, failure: &Failure, awaited: bool) {
        self.health.failed(failure);
        if let Some(i) = self
            .pending_releases
            .iter()
            .position(|f| f.step == Step::Sent(request.id))
        {
            self.pending_releases[i].attempts += 1;
            if let (Command::Release { .. }, Failure::Unknown { .. }) = (&request.command, failure)
                && !planted!(ReassertAfterRelease)
            {
                // It may have let somebody in already, whom a lagging replica does not show:
                // written again and released, the record would be free beside that primary.
                self.pending_releases[i].term = None;
            }
            let at = self.retry_at(now, request.sent_at, self.pending_releases[i].attempts);
            self.pending_releases[i].step = Step::Due(at);
        }
        if let (Command::Acquire { identity, .. }, Failure::Unknown { .. }) =
            (&request.command, failure)
        {
            self.hear_acquire_unknown(now, *identity);
        }
        if !awaited {
            return;
        }
        if let State::Primary(term) = &mut self.state {
            term.failing = true;
            if planted!(SharedTimer) {
                self.timers.set(Timer::StepDown, now + self.config.term());
            }
        }
        if !matches!(failure, Failure::Unknown { .. }) {
            self.report_unavailable();
        }
        let denied = matches!(failure, Failure::Denied { .. });
        if denied && self.asked.is_some() && matches!(self.state, State::Standing(_)) {
            self.end_denied(now, failure);
            return;
        }
        self.attempts += 1;
        let at = self.retry_at(now, request.sent_at, self.attempts);
        if at <= now {
            self.due = true;
        } else {
            self.timers.set(Timer::Retry, at);
        }
    }

    /// The acquire may still be granted.
    fn hear_acquire_unknown(&mut self, now: Time, identity: Identity) {
        match &mut self.state {
            State::Standing(standing) if standing.identity == identity => {
                standing.may_be_granted = true;
            }
            State::Primary(term) if term.lease.identity == identity => {}
            // Its pending_release may have come before it.
            _ => self.release_ghost(now, identity),
        }
    }

    fn hear_acquired(
        &mut self,
        now: Time,
        seen_at: Time,
        request: &Request,
        identity: Identity,
        reply: Reply,
    ) {
        let Some(record) = reply.record.clone() else {
            return;
        };
        if reply.outcome != Outcome::Granted {
            self.observe(now, seen_at, &record);
            return;
        }
        match &mut self.state {
            State::Standing(standing) if standing.identity == identity => {
                let listeners = reply.listeners.unwrap_or(0);
                self.watch_own(now, &record);
                self.elect(now, request.sent_at, &record, listeners);
            }
            State::Primary(term) if term.lease.identity == identity => {
                self.confirm(now, request.sent_at, &record, &reply);
            }
            _ => self.release_ghost(now, identity),
        }
    }

    fn hear_renewed(
        &mut self,
        now: Time,
        seen_at: Time,
        request: &Request,
        identity: Identity,
        token: Token,
        reply: Reply,
    ) {
        let Some(record) = reply.record.clone() else {
            return;
        };
        if let Some(pending_release) = self
            .pending_releases
            .iter_mut()
            .find(|f| f.step == Step::Sent(request.id))
        {
            // Written again only in order to be released.
            pending_release.step = match reply.outcome {
                Outcome::Renewed => Step::Due(now),
                Outcome::Stale => {
                    pending_release.over = Some(record.version.clone());
                    Step::Due(now)
                }
                _ => Step::Done,
            };
            return;
        }
        match &mut self.state {
            State::Primary(term)
                if term.lease.identity == identity && term.lease.token == token =>
            {
                match reply.outcome {
                    Outcome::Renewed => {
                        self.confirm(now, request.sent_at, &record, &reply);
                    }
                    Outcome::Stale => {
                        if self.in_flight.is_none() {
                            term.over = Some(record.version);
                            self.due = true;
                        }
                    }
                    _ => {
                        self.lose(now, Reason::Superseded);
                        self.observe(now, seen_at, &record);
                    }
                }
            }
            _ => self.observe(now, seen_at, &record),
        }
    }

    fn hear_released(&mut self, now: Time, seen_at: Time, request: &Request, reply: Reply) {
        if let Some(pending_release) = self
            .pending_releases
            .iter_mut()
            .find(|f| f.step == Step::Sent(request.id))
        {
            pending_release.step = match (reply.outcome, &reply.record) {
                (Outcome::Stale, Some(record)) => {
                    pending_release.over = Some(record.version.clone());
                    Step::Due(now)
                }
                _ => Step::Done,
            };
        }
        if let Some(record) = reply.record {
            self.observe(now, seen_at, &record);
        }
    }

    /// A renewal, or a repeated acquire of ours, was confirmed.
    fn confirm(&mut self, now: Time, sent_at: Time, record: &Record, reply: &Reply) {
        self.watch_own(now, record);
        let State::Primary(term) = &mut self.state else {
            return;
        };
        term.listeners = reply.listeners.unwrap_or(term.listeners);
        if !term.lease.confirm(sent_at, &self.config) {
            return;
        }
        let recovered = std::mem::take(&mut term.failing);
        let confirmed_from = term.lease.confirmed_from();
        let step_down_at = term.lease.step_down_at();
        let token = term.lease.token;
        let was_late = std::mem::take(&mut term.late);
        let is_asked = reply.asked && !term.asked;
        term.asked |= is_asked;
        self.timers.set(Timer::StepDown, step_down_at);
        self.timers
            .set(Timer::RenewalLate, term.lease.late_at(&self.config));
        self.renew_after(confirmed_from, recovered);
        self.timers.clear(Timer::Retry);
        self.outputs.push_back(Output::Extended { step_down_at });
        if was_late {
            let renewed = Event::Renewed {
                token,
                step_down_at,
            };
            self.outputs.push_back(Output::Event(renewed));
        }
        if is_asked {
            let until = now + self.config.ttl;
            self.timers.set(Timer::Aside, until);
            self.outputs.push_back(Output::Asked { token, until });
        }
    }

    fn watch_own(&mut self, now: Time, record: &Record) {
        self.watch = Some(Watch::begin(now, record, &self.config));
    }

    /// What a record that a reply shows, and that has stood so since `seen_at`, means to one who looks on.
    fn observe(&mut self, now: Time, seen_at: Time, record: &Record) {
        if !matches!(self.state, State::Watching | State::Standing(_)) {
            return;
        }
        let sight = self.sight(&record.version);
        if matches!(sight, Some(Sight::Old)) {
            return;
        }
        if !self.hints.told_after(&record.version) {
            self.tell_primary(record);
        }
        if matches!(sight, Some(Sight::Same)) {
            return;
        }
        self.watch = Some(Watch::begin(seen_at, record, &self.config));
        let standing = matches!(self.state, State::Standing(_));
        self.set_ripe_timer();
        if record.same_incarnation && self.held_by_another(record) {
            if !self.hints.release_after(&record.version) {
                // Whatever made us want to ask has been answered.
                self.due = false;
                self.timers.clear(Timer::Takeover);
            }
            let seen_to_change = sight.is_some();
            if seen_to_change {
                self.answer_and_go_on(now, Answer::NotElected);
            }
        } else if standing && is_free(record) {
            self.take_over_soon(now, 0);
        }
    }

    /// A released record is taken after a delay that keeps many listeners from asking at once, and lets those of
    /// a higher rank go first.
    pub(super) fn take_over_soon(&mut self, now: Time, listeners: u32) {
        let delay = crowd::delay(listeners, &mut self.random) + self.yields;
        if delay.is_zero() {
            self.due = true;
        } else if !self.timers.is_set(Timer::Takeover) {
            self.timers.set(Timer::Takeover, now + delay);
        }
    }

    /// When the watched record is taken, if it is still unchanged then.
    pub(super) fn takeover_at(&self) -> Option<Time> {
        self.watch
            .as_ref()
            .map(|watch| watch.ripe_at() + self.yields)
    }

    /// Sets when one who stands takes the record that it watches.
    pub(super) fn set_ripe_timer(&mut self) {
        let standing = matches!(self.state, State::Standing(_));
        if let Some(at) = self.takeover_at().filter(|_| standing) {
            self.timers.set(Timer::Ripe, at);
        }
    }

    /// The watched record was to be taken now, unless somebody higher was heard of since.
    pub(super) fn take_ripe(&mut self, now: Time) {
        match self.takeover_at() {
            Some(at) if at > now => self.set_ripe_timer(),
            _ => self.due = true,
        }
    }

    /// Who else stands by: it decides who goes first, and forbids nobody anything.
    pub(super) fn hear_ranks(&mut self, record: &Record) {
        self.yields = record.ranks.yield_of(&self.config.rank);
        if planted!(RankForbids) {
            self.yields *= 1_000_000;
        }
        if planted!(RankDelaysUnbounded) {
            self.yields =
                self.yields / 30 * u32::try_from(self.config.ttl.as_millis()).unwrap_or(1);
        }
    }

    fn schedule_poll(&mut self, now: Time) {
        if matches!(self.state, State::Watching | State::Standing(_)) {
            self.timers.set(Timer::Poll, now + self.poll_interval());
        }
    }

    /// Tells the outside who is primary, if that is news.
    pub(super) fn tell_primary(&mut self, record: &Record) {
        let primary = self.primary_in(record);
        if self.view.as_ref() != Some(&primary) {
            let news = primary.is_some() || self.view.is_some();
            self.view = Some(primary.clone());
            if news {
                self.outputs
                    .push_back(Output::Event(Event::PrimaryChanged(primary)));
            }
        }
    }

    pub(super) fn tells_news(&self, record: &Record) -> bool {
        self.view.as_ref() != Some(&self.primary_in(record))
    }

    fn primary_in(&self, record: &Record) -> Option<Primary> {
        self.held_by_another(record).then(|| Primary {
            server: record.server.clone(),
            token: record.token,
        })
    }

    pub(super) fn held_by_another(&self, record: &Record) -> bool {
        let another = |holder| !self.is_mine(holder) && !self.gave_up(holder);
        !record.released && record.holder.is_some_and(another)
    }

    /// A grant for an identity that was given up keeps the place from those who want it.
    fn release_if_ghost(&mut self, now: Time, record: &Record) {
        let late = self
            .watch
            .as_ref()
            .is_some_and(|w| w.compare(&record.version) == Sight::Old);
        let ghost = record.holder.filter(|holder| self.gave_up(*holder));
        if let Some(holder) = ghost
            && !record.released
            && record.same_incarnation
            && !late
        {
            self.release_ghost(now, holder);
        }
    }

    /// The identity of the present standing or term.
    fn is_mine(&self, identity: Identity) -> bool {
        match &self.state {
            State::Standing(Standing { identity: mine, .. }) => *mine == identity,
            State::Primary(term) => term.lease.identity == identity,
            State::Idle | State::Watching | State::Lapsed | State::Suspended => false,
        }
    }
}
