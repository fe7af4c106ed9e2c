//! What the driver and the store do for a real candidate: hand the machine what happens, with the
//! local time, and do what it says.

use std::time::Duration;

use super::candidate::{Envelope, Held, Stands};

use super::queue::{Address, Delivery, Happening};
use super::rules::{Arithmetic, Rule, Term, Verdict};
use super::world::World;
use crate::election::state::State;
use crate::election::{
    Answer, Change, Command, Election, Event, Failure, Grant, Identity, Outcome, Output, Reason,
    Record, Reply, Request, Time, Token, Version,
};

/// What the machine is told, for the checkers and the trace.
#[derive(Clone, Debug)]
pub enum Cause {
    Reply {
        sent: Time,
        outcome: Result<Outcome, &'static str>,
    },
    Message,
    Timeout,
    Campaign,
    Listen,
    Resign,
    /// A user was told that the lease is not held.
    Told,
}

impl Cause {
    pub fn name(&self) -> &'static str {
        match self {
            Cause::Reply { outcome, .. } => match outcome {
                Ok(Outcome::Granted) => "granted",
                Ok(Outcome::Refused) => "refused",
                Ok(Outcome::Renewed) => "renewed",
                Ok(Outcome::Stale) => "stale",
                Ok(Outcome::Lost) => "lost",
                Ok(Outcome::Released) => "released",
                Ok(Outcome::NotMine) => "not mine",
                Ok(Outcome::Seen) => "seen",
                Err(failure) => failure,
            },
            Cause::Message => "message",
            Cause::Timeout => "timeout",
            Cause::Campaign => "campaign",
            Cause::Listen => "listen",
            Cause::Resign => "resign",
            Cause::Told => "told",
        }
    }
}

impl World {
    pub fn deliver(&mut self, who: usize, what: Delivery) {
        let candidate = &mut self.candidates[who];
        if candidate.frozen {
            // A frozen process has one pending timer at most.
            candidate.inbox.push(what);
            return;
        }
        match what {
            Delivery::Reply {
                envelope,
                answer,
                stray,
            } => {
                let known = candidate.pending.len();
                let id = envelope.request.id;
                if !stray {
                    candidate.pending.retain(|pending| pending.request.id != id);
                    if candidate.pending.len() == known {
                        return;
                    }
                }
                self.hand_reply(who, envelope, answer);
            }
            Delivery::Reset { connection } => {
                if candidate.link.connection == connection {
                    self.drop_connection(who);
                }
            }
            Delivery::Overdue { id, connection } => {
                let overdue = |pending: &Envelope| {
                    pending.request.id == id && pending.connection == connection
                };
                let Some(place) = candidate.pending.iter().position(overdue) else {
                    return;
                };
                let envelope = candidate.pending.remove(place);
                if candidate.link.connection == connection {
                    self.drop_connection(who);
                }
                let cause = "timed out".into();
                self.hand_reply(who, envelope, Err(Failure::Unknown { cause }));
            }
            Delivery::Message {
                connection,
                message,
            } => {
                if candidate.link.connection != connection {
                    return;
                }
                self.see(who, &message.record, message.change);
                let cause = Cause::Message;
                self.act(who, cause, |election, now| {
                    election.handle_message(now, message)
                });
            }
            Delivery::Timer { generation } => {
                if candidate.timer_generation != generation {
                    return;
                }
                candidate.timer = None;
                self.act(who, Cause::Timeout, Election::handle_timeout);
            }
        }
    }

    fn hand_reply(&mut self, who: usize, envelope: Envelope, answer: Result<Reply, Failure>) {
        if let Ok(Reply {
            outcome,
            record: Some(record),
            ..
        }) = &answer
        {
            let change = match outcome {
                Outcome::Released => Change::Released,
                _ => Change::Renewed,
            };
            self.see(who, record, change);
        }
        let outcome = match &answer {
            Ok(reply) => Ok(reply.outcome),
            Err(Failure::Unknown { .. }) => Err("unknown"),
            Err(Failure::Refused { .. }) => Err("error"),
            Err(Failure::Denied { .. }) => Err("denied"),
        };
        if outcome.is_err() {
            self.disturb(0);
        }
        if outcome == Ok(Outcome::Stale) {
            self.statistics.count("renewals found stale");
        }
        let sent = envelope.sent;
        let request = envelope.request;
        self.trace.line(self.now, format!("c{who}"), || {
            format!("hears {outcome:?} to #{}", request.id)
        });
        self.act(who, Cause::Reply { sent, outcome }, |election, now| {
            election.handle_reply(now, request, answer)
        });
    }

    /// Lets the machine handle something, and does what it says.
    pub fn act(&mut self, who: usize, cause: Cause, verb: impl FnOnce(&mut Election, Time)) {
        let candidate = &mut self.candidates[who];
        let now = candidate.clock.local(self.now);
        if std::mem::take(&mut candidate.looked) {
            self.act(who, Cause::Told, Election::handle_expired);
        }
        let candidate = &mut self.candidates[who];
        let before = phase(&candidate.election);
        verb(&mut candidate.election, now);
        let after = phase(&candidate.election);
        if before != after {
            *self
                .statistics
                .transitions
                .entry((before, after))
                .or_default() += 1;
            self.trace.line(self.now, format!("c{who}"), || {
                format!("{before} -> {after} by {}", cause.name())
            });
        }
        while let Some(output) = self.candidates[who].election.poll_output() {
            self.carry_out(who, &cause, output);
        }
        self.note_standing(who);
        self.set_timer(who);
    }

    fn carry_out(&mut self, who: usize, cause: &Cause, output: Output) {
        match output {
            Output::Send(request) => self.carry_request(who, request),
            Output::Event(event) => self.carry_event(who, cause, event),
            Output::Answer(answer) => {
                self.trace.line(self.now, format!("c{who}"), || {
                    format!("answers {answer:?}")
                });
                let verdict = self.rules.events[who].answer(&answer);
                self.hear(Rule::R7, verdict);
                let user = &mut self.candidates[who].user;
                user.answers_due = 0;
                if let Answer::Denied { .. } = answer {
                    user.campaigning = false;
                    self.rules.events[who].denied();
                    self.return_later(who);
                }
            }
            Output::Extended { step_down_at } => {
                let token = self.candidates[who].held.map(|held| held.token);
                let verdict = self.rules.events[who].extended(token);
                self.hear(Rule::R7, verdict);
                if let Some(token) = token {
                    self.believe(
                        who,
                        cause,
                        Grant {
                            token,
                            step_down_at,
                        },
                    );
                }
            }
            Output::Notice(_) => self.statistics.count("notices"),
            Output::Ended => self.ended(who),
        }
    }

    fn carry_request(&mut self, who: usize, request: Request) {
        let candidate = &mut self.candidates[who];
        let sent = candidate.clock.local(self.now);
        if let Command::Acquire { identity, .. } = request.command {
            candidate.identities.insert(identity);
        }
        let envelope = Envelope {
            from: candidate.address,
            connection: candidate.link.connection,
            request,
            sent,
        };
        candidate.pending.push(envelope.clone());
        self.trace.line(self.now, format!("c{who}"), || {
            let shown = super::network::shown(&envelope);
            format!(
                "sends {}",
                shown.split_once(' ').map_or("", |(_, rest)| rest)
            )
        });
        if let Command::Release { identity, .. } = envelope.request.command {
            let verdict = self.releases(who, identity);
            self.hear(Rule::R4, verdict);
        }
        self.send(envelope);
    }

    /// `isHeld` is false before any release is sent.
    fn releases(&self, who: usize, identity: Identity) -> Verdict {
        let candidate = &self.candidates[who];
        match candidate.held {
            Some(held)
                if candidate.is_held(self.now)
                    && self.rules.writes.grantee(held.token) == Some(identity) =>
            {
                Err(format!(
                    "c{who} sends a release while its lease with token {} is held",
                    held.token
                ))
            }
            _ => Ok(()),
        }
    }

    fn carry_event(&mut self, who: usize, cause: &Cause, event: Event) {
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
                    _ => "lost: another reason",
                });
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
            _ => {}
        }
    }

    /// The outside has been told that the lease is held until some time.
    fn believe(&mut self, who: usize, cause: &Cause, grant: Grant) {
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

    fn set_timer(&mut self, who: usize) {
        let late = self.lateness();
        let candidate = &mut self.candidates[who];
        let wanted = candidate.election.poll_timeout();
        if candidate.timer == wanted {
            return;
        }
        candidate.timer = wanted;
        candidate.timer_generation += 1;
        let Some(time) = wanted else { return };
        let at = candidate.clock.when(time).max(self.now);
        let what = Delivery::Timer {
            generation: candidate.timer_generation,
        };
        let to = candidate.address;
        // At least a microsecond, so that time goes on whatever the machine wants.
        self.queue
            .push(at + late.max(1), Happening::ToCandidate { to, what });
    }

    /// A frozen process goes on: its user looks first, then what has queued up comes in any order.
    pub fn wake(&mut self, who: usize) {
        if !self.candidates[who].frozen {
            return;
        }
        self.candidates[who].frozen = false;
        self.disturb(0);
        self.trace
            .line(self.now, format!("c{who}"), || "wakes".into());
        self.look_now(who);
        let mut inbox = std::mem::take(&mut self.candidates[who].inbox);
        while !inbox.is_empty() {
            let next = self.users.below(inbox.len() as u64) as usize;
            let what = inbox.swap_remove(next);
            self.deliver(who, what);
        }
        if self.calm {
            self.stand_for_good(who);
        }
        let candidate = &self.candidates[who];
        if let Some(held) = candidate.held
            && !candidate.is_held(self.now)
        {
            // Its timer may have been set anew while the inbox was emptied.
            let at = self.now + self.plan.lateness.max(300) + 2;
            let check = Happening::CheckDeadline {
                to: candidate.address,
                token: held.token,
                deadline: held.step_down_at,
            };
            self.queue.push(at, check);
        }
    }

    /// What a candidate learns of the record: its takeover falls due.
    fn see(&mut self, who: usize, record: &Record, change: Change) {
        let present = self.present_version();
        let candidate = &mut self.candidates[who];
        let Some(stands) = &mut candidate.stands else {
            return;
        };
        if present.as_ref() != Some(&record.version)
            || stands.sight.as_ref() == Some(&record.version)
        {
            return;
        }
        stands.sight = Some(record.version.clone());
        let ttl = candidate.config.ttl;
        let clock = candidate.clock;
        let now = clock.local(self.now);
        let slack = SLACK + self.plan.lateness * 2 + 4 * self.plan.latency.1;
        let at_once = record.released && record.same_run && change == Change::Released;
        let (at, why) = if at_once {
            let delay = Duration::from_millis(100);
            (clock.when(now + delay), "released")
        } else {
            let ripe = Arithmetic { ttl }.ripe(record.ttl);
            (
                clock.when(now + ripe) + 100_000,
                "unchanged for a ripe watch",
            )
        };
        let check = Happening::CheckTakeover {
            to: candidate.address,
            version: record.version.clone(),
            since: self.now,
            why,
        };
        self.queue.push(at + slack, check);
    }

    /// Whatever happens to the messages, the polls of those who stand show them this write.
    pub fn expect_change(&mut self, record: &Record) {
        for who in 0..self.candidates.len() {
            let candidate = &self.candidates[who];
            if candidate.stands.is_none() {
                continue;
            }
            let ttl = candidate.config.ttl;
            let clock = candidate.clock;
            let (wait, why) = if record.released {
                (ttl / 2, "released, and polled")
            } else {
                let ripe = Arithmetic { ttl }.ripe(record.ttl);
                (ttl / 2 + ripe, "polled, and unchanged for a ripe watch")
            };
            let at = clock.when(clock.local(self.now) + wait) + 100_000;
            let slack = SLACK + self.plan.lateness * 3 + 8 * self.plan.latency.1;
            let check = Happening::CheckTakeover {
                to: candidate.address,
                version: record.version.clone(),
                since: self.now,
                why,
            };
            self.queue.push(at + slack, check);
        }
    }

    pub fn check_takeover(&mut self, to: Address, version: &Version, since: u64, why: &str) {
        let present = self.present_version();
        let candidate = &self.candidates[to.who];
        let stood = candidate
            .stands
            .as_ref()
            .is_some_and(|stands| stands.since <= since);
        let wanted = candidate.address == to && candidate.wants() && stood;
        if !wanted || !self.rules.takeover.undisturbed_since(since) {
            return;
        }
        let now = self.now;
        let verdict = self
            .rules
            .takeover
            .due(now, to.who, since, version, present.as_ref(), why);
        self.hear(Rule::R6, verdict);
    }

    fn present_version(&self) -> Option<Version> {
        let active = self.redis.active;
        let server = self.redis.server(active, self.now);
        let record = self.redis.nodes[active].register.record(&server);
        record.map(|record| record.version)
    }

    fn note_standing(&mut self, who: usize) {
        let now = self.now;
        let candidate = &mut self.candidates[who];
        let stands = candidate.wants() && matches!(candidate.election.state, State::Standing(_));
        if !stands {
            candidate.stands = None;
        } else if candidate.stands.is_none() {
            candidate.stands = Some(Stands {
                since: now,
                sight: None,
            });
        }
    }
}

/// The state of the machine, for the coverage.
fn phase(election: &Election) -> &'static str {
    match &election.state {
        State::Idle if election.farewells.is_empty() => "idle",
        State::Idle => "idle, releasing",
        State::Watching => "watching",
        State::Standing(standing) if standing.may_be_granted => "standing, perhaps granted",
        State::Standing(_) => "standing",
        State::Primary(term) if term.failing => "primary, failing",
        State::Primary(_) => "primary",
        State::Lapsed => "lapsed",
    }
}

/// Beside DESIGN's 100 ms, in microseconds: the machine does not count its own round trips.
const SLACK: u64 = 3_000;
