//! How a message is heard: as a hint.

use super::state::State;
use super::timer::Timer;
use super::watch::{Sight, compare, is_free};
use super::{Election, Message, Record, Time, Version, WriteKind, planted};

impl Election {
    /// Since when the record that a reply shows has stood as it is.
    pub(super) fn first_seen(&mut self, now: Time, sent_at: Time, record: &Record) -> Time {
        let announced = self.hints.announced(record);
        let news = self.sight(&record.version) == Some(Sight::New);
        self.hints.answered(sent_at, news, announced.is_some());
        if planted!(WatchFromSend) {
            return sent_at;
        }
        announced.unwrap_or(now)
    }

    /// A message decides nothing. It tells the outside who is primary, which the next poll corrects if
    /// it was wrong, and may make this candidate ask, as often as the hints allow.
    pub(super) fn hear_message(&mut self, now: Time, message: Message) {
        if matches!(self.state, State::Idle | State::Lapsed | State::Suspended) {
            return;
        }
        self.hints.note(now, &message);
        let Message {
            change,
            record,
            listeners,
        } = message;
        if planted!(FloorFromMessages) {
            self.floor = self.floor.max(record.token);
        }
        // An old message is old wherever it comes from: what came back, a reply shows.
        let sight = self
            .watch
            .as_ref()
            .map(|watch| compare(&watch.version, &record.version));
        if matches!(sight, Some(Sight::Old | Sight::Same)) {
            return;
        }
        if let State::Primary(term) = &self.state {
            // Somebody else wrote our record: it was lost, or taken. A renewal finds out.
            if record.holder != Some(term.lease.identity) {
                self.look(now);
            }
            return;
        }
        self.hear_ranks(&record);
        let held = self.held_by_another(&record);
        let ghost = record.holder.is_some_and(|holder| self.gave_up(holder));
        let standing = matches!(self.state, State::Standing(_));
        let interval = self.poll_interval();
        if record.released && change == WriteKind::Released {
            if standing
                && is_free(&record)
                && self.hints.may_take_over(now, interval, &record.version)
            {
                self.take_over_soon(now, listeners);
            }
        } else if ghost && !record.released {
            self.look(now);
        } else if held {
            if !self.hints.release_after(&record.version) {
                // Another was faster.
                self.timers.clear(Timer::Takeover);
            }
            let seen_to_change = sight.is_some();
            if standing && self.asked.is_some() && seen_to_change {
                // A caller waits for the answer, which a reply has to give.
                self.look(now);
            }
        }
        let news = self.tells_news(&record) && !self.hints.told_after(&record.version);
        if news && self.hints.may_tell(now, interval, &record.version) {
            self.tell_primary(&record);
        }
    }

    /// Asks because of a message, if it is not too soon for that.
    fn look(&mut self, now: Time) {
        if self.hints.may_look(now, self.poll_interval()) {
            self.due = true;
        }
    }

    pub(super) fn sight(&self, version: &Version) -> Option<Sight> {
        self.watch.as_ref().map(|watch| watch.compare(version))
    }
}
