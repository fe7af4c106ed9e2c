//! What a candidate asks of the store, and when.

use std::time::Duration;

use super::pending_release::Step;
use super::state::State;
use super::timer::Timer;
use super::{Command, Election, Nonce, Output, Request, Time};

impl Election {
    /// Sends what is due. Every verb ends here.
    pub(super) fn advance(&mut self, now: Time) {
        // Before the command of a new standing: it finds the old one's record released.
        self.send_farewells(now);
        if self.due && self.in_flight.is_none() && !self.timers.is_set(Timer::Retry) {
            self.due = false;
            self.send_command(now);
        }
        self.end_if_over();
        self.answer_resigns(now);
    }

    fn send_command(&mut self, now: Time) {
        let mut bound = self.config.command_bound();
        let mut patience = bound;
        let nonce = Nonce::new(self.random.next_u64());
        let signs = matches!(self.state, State::Standing(_)) && self.signs(now);
        let is_ripe = self.takeover_at().is_some_and(|at| at <= now);
        if !is_ripe {
            // Somebody higher may have been heard of since the timer was set.
            self.set_ripe_timer();
        }
        let command = match &mut self.state {
            State::Idle | State::Lapsed | State::Suspended => return,
            State::Watching => Command::Inspect,
            State::Standing(standing) => {
                let identity = standing.identity;
                self.open_acquires.push((self.next_id, identity));
                let ripe = self.watch.as_ref().filter(|_| is_ripe);
                let eager = self.config.eager_start && self.fresh;
                Command::Acquire {
                    identity,
                    ttl: self.config.ttl,
                    floor: self.floor,
                    watched: ripe.map(|watch| watch.version.clone()),
                    eager: eager.then(|| self.config.ripe_after(self.config.ttl)),
                    rank: self.config.rank.clone(),
                    signs,
                    nonce,
                }
            }
            State::Primary(term) => {
                // To ask again would take even more of a store that is behind.
                patience = term.lease.step_down_at().since(now);
                bound = bound.min(patience);
                Command::Renew {
                    identity: term.lease.identity,
                    token: term.lease.token,
                    ttl: self.config.ttl,
                    over: term.over.take(),
                    nonce,
                }
            }
        };
        let id = self.send(now, bound, patience, command);
        self.in_flight = Some(id);
        if self.health.waiting_since.is_none() {
            self.health.waiting_since = Some(now);
            if !self.health.unavailable {
                self.timers
                    .set(Timer::Unavailable, now + self.config.unavailable_after());
            }
        }
        self.watch_establishing();
    }

    /// Whether the acquire that is sent now enters this candidate in the roster: once in a poll interval.
    fn signs(&mut self, now: Time) -> bool {
        let interval = self.poll_interval();
        let signs = self.signed_at.is_none_or(|at| now.since(at) >= interval);
        if signs {
            self.signed_at = Some(now);
        }
        signs
    }

    /// An establishing caller waits only so long for a store that does not answer.
    pub(super) fn watch_establishing(&mut self) {
        if let (Some(asked), Some(waiting)) = (self.asked, self.health.waiting_since) {
            let at = asked.max(waiting) + self.config.establish_timeout;
            self.timers.set(Timer::Establish, at);
        }
    }

    fn send_farewells(&mut self, now: Time) {
        for i in 0..self.pending_releases.len() {
            let pending_release = &mut self.pending_releases[i];
            if pending_release.due_at().is_none_or(|at| at > now) {
                continue;
            }
            if pending_release.until(self.config.ttl) <= now {
                pending_release.step = Step::Done;
                continue;
            }
            let nonce = Nonce::new(self.random.next_u64());
            let command = match (pending_release.over.take(), pending_release.term) {
                (Some(over), Some((token, valid_until))) if now < valid_until => Command::Renew {
                    identity: pending_release.identity,
                    token,
                    ttl: self.config.ttl,
                    over: Some(over),
                    nonce,
                },
                (Some(_), _) => {
                    pending_release.step = Step::Done;
                    continue;
                }
                (None, _) => Command::Release {
                    identity: pending_release.identity,
                    listeners: pending_release.listeners,
                    reason: pending_release.reason,
                    nonce,
                },
            };
            let bound = self.config.command_bound();
            let id = self.send(now, bound, bound, command);
            self.pending_releases[i].step = Step::Sent(id);
        }
        self.pending_releases
            .retain(|pending_release| pending_release.step != Step::Done);
    }

    fn send(&mut self, now: Time, bound: Duration, patience: Duration, command: Command) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        #[cfg(test)]
        self.mistakes.note_sent(now);
        self.outputs.push_back(Output::Send(Request {
            id,
            sent_at: now,
            bound,
            patience,
            command,
        }));
        id
    }

    fn end_if_over(&mut self) {
        let standing = match &self.state {
            State::Standing(standing) => Some(standing.identity),
            _ => None,
        };
        let strays = self
            .open_acquires
            .iter()
            .any(|(_, identity)| Some(*identity) != standing);
        if self.ending && self.pending_releases.is_empty() && !strays {
            self.ending = false;
            self.leaving.clear();
            self.outputs.push_back(Output::Ended);
        }
    }

    /// A caller that resigned waits no longer than it may matter; the pending_releases go on.
    fn answer_resigns(&mut self, now: Time) {
        while self.leaving.front().is_some_and(|until| *until <= now) {
            self.leaving.pop_front();
            self.outputs.push_back(Output::Unconfirmed);
        }
    }

    /// When a command that was sent at `sent_at` and failed is to be sent again: after a pause that
    /// doubles, counted from the send, so that one which failed by its bound is repeated at once.
    pub(super) fn retry_at(&mut self, now: Time, sent_at: Time, attempts: u32) -> Time {
        let longest = self.config.command_bound();
        let doubled = self.config.first_retry() * 2_u32.pow(attempts.saturating_sub(1).min(16));
        let pause = doubled.min(longest);
        let jittered = pause / 2 + self.random.up_to(pause / 2);
        now.max(sent_at + jittered)
    }

    /// From one poll of a standby to the next, and what bounds the questions that messages cause.
    pub(super) fn poll_interval(&self) -> Duration {
        self.config.poll_interval(self.hints.arrive())
    }
}
