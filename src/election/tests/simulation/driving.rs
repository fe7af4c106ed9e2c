//! What the driver and the store do for a real candidate: hand the machine what happens, with the
//! local time, and do what it says.

use super::candidate::Envelope;

use super::queue::{Delivery, Happening};
use super::rules::{Rule, Verdict};
use super::world::World;
use crate::election::state::State;
use crate::election::{
    Answer, Command, Election, Failure, Grant, Identity, Outcome, Output, Reply, Request, Time,
    WriteKind,
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
    Suspend,
    Resume,
    FailWork {
        others_work: bool,
    },
    /// A user who was asked for its lease has stopped its work.
    StepAside,
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
                Ok(Outcome::Asked) => "asked",
                Ok(Outcome::NotHeld) => "not held",
                Err(failure) => failure,
            },
            Cause::Message => "message",
            Cause::Timeout => "timeout",
            Cause::Campaign => "campaign",
            Cause::Listen => "listen",
            Cause::Resign => "resign",
            Cause::Suspend => "suspend",
            Cause::Resume => "resume",
            Cause::FailWork { .. } => "fail work",
            Cause::StepAside => "step aside",
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
                forged,
            } => {
                if candidate.link.connection != connection {
                    return;
                }
                if forged {
                    candidate.deceived_at = Some(self.now);
                    self.trace.line(self.now, format!("c{who}"), || {
                        format!(
                            "hears a forged message: {:?} {}",
                            message.change, message.record.version
                        )
                    });
                } else {
                    self.see(who, &message.record, message.change);
                }
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
                Outcome::Released => WriteKind::Released,
                _ => WriteKind::Renewed,
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
            Output::Send(request) => {
                if let Cause::Message = cause {
                    let candidate = &self.candidates[who];
                    let now = candidate.clock.local(self.now);
                    let verdict = self.rules.messages[who].caused(now, candidate.config.ttl);
                    self.hear(Rule::Messages, verdict);
                }
                self.carry_request(who, request);
            }
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
            Output::Asked { token, .. } => self.asked_for(who, token),
            Output::Notice(_) => self.statistics.count("notices"),
            Output::Unconfirmed => {
                self.statistics
                    .count("resigns answered before they were confirmed");
                let verdict = self.rules.leaving[who].unconfirmed();
                self.hear(Rule::R7, verdict);
            }
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
        if !self.candidates[who].hung {
            self.look_now(who);
        }
        let mut inbox = std::mem::take(&mut self.candidates[who].inbox);
        while !inbox.is_empty() {
            let next = self.users.below(inbox.len() as u64) as usize;
            let what = inbox.swap_remove(next);
            self.deliver(who, what);
        }
        if self.calm && !self.candidates[who].hung {
            self.stand_for_good(who);
        }
        let candidate = &self.candidates[who];
        if let Some(held) = candidate.held
            && !candidate.is_held(self.now)
        {
            // Its timer may have been set again while the inbox was emptied.
            let at = self.now + self.plan.lateness.max(300) + 2;
            let check = Happening::CheckDeadline {
                to: candidate.address,
                token: held.token,
                deadline: held.step_down_at,
            };
            self.queue.push(at, check);
        }
    }
}

/// The state of the machine, for the coverage.
fn phase(election: &Election) -> &'static str {
    match &election.state {
        State::Idle if election.pending_releases.is_empty() => "idle",
        State::Idle => "idle, releasing",
        State::Watching => "watching",
        State::Standing(standing) if standing.may_be_granted => "standing, perhaps granted",
        State::Standing(_) => "standing",
        State::Primary(term) if term.failing => "primary, failing",
        State::Primary(_) => "primary",
        State::Lapsed => "lapsed",
        State::Suspended => "suspended",
    }
}
