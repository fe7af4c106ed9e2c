//! What was sent over a connection and not answered yet.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::pace::Pace;
use super::waiting_line::{WaitingLine, Waits};
use crate::election::planted;

/// The commands on their way, in the order of their answers: which of them are late, how many more may
/// follow them, and whether the connection is in doubt. It is told the time.
///
/// `A` waits for the answer to a script; `C` is any other command, which nobody waits for.
pub(super) struct Unanswered<A, C> {
    sent: VecDeque<SentCommand<A, C>>,
    /// When the server has last answered something. A message is no answer.
    answered_at: Instant,
    /// When the connection is in doubt, unless something is answered before.
    doubtful: Option<Doubt>,
    pace: Pace,
}

/// From when on nothing that follows can be trusted to arrive, because nothing was answered for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub at: Instant,
    pub bound: Duration,
}

struct SentCommand<A, C> {
    what: SentKind<A, C>,
    at: Instant,
}

pub(super) enum SentKind<A, C> {
    /// `None` once nobody waits for it any more.
    Script {
        ask: Option<A>,
        by_hash: bool,
    },
    Other(C),
}

impl<A: Waits, C> Unanswered<A, C> {
    pub fn new(now: Instant) -> Self {
        Unanswered {
            sent: VecDeque::new(),
            answered_at: now,
            doubtful: None,
            pace: Pace::new(),
        }
    }

    /// The next of those that wait, as far as the server keeps up.
    pub fn admit(&self, line: &mut WaitingLine<A>, now: Instant) -> Option<A> {
        let unanswered = self.sent.len();
        let pressing = self.pace.admits_pressing(unanswered);
        pressing.then(|| line.pop_pressing()).flatten().or_else(|| {
            let admitted = self.pace.admits(unanswered, self.oldest(now));
            admitted.then(|| line.pop_other())?
        })
    }

    pub fn push_script(&mut self, mut ask: A, by_hash: bool, now: Instant) {
        ask.times_mut().note_sent(now);
        let what = SentKind::Script {
            ask: Some(ask),
            by_hash,
        };
        self.sent.push_back(SentCommand { what, at: now });
    }

    pub fn push_other(&mut self, command: C, now: Instant) {
        let what = SentKind::Other(command);
        self.sent.push_back(SentCommand { what, at: now });
    }

    /// What the next answer is to.
    pub fn front_mut(&mut self) -> Option<&mut SentKind<A, C>> {
        self.sent.front_mut().map(|sent| &mut sent.what)
    }

    /// The command that was answered.
    pub fn pop(&mut self, now: Instant) -> Option<SentKind<A, C>> {
        self.note_answer(now);
        self.sent.pop_front().map(|sent| sent.what)
    }

    /// A part of what the first one waits for is here.
    pub fn note_answer(&mut self, now: Instant) {
        if let Some(sent) = self.sent.front() {
            self.answered_at = now;
            self.doubtful = None;
            self.pace.answered(now.saturating_duration_since(sent.at));
        }
    }

    /// All that the server has said by now was heard.
    pub fn settle(&mut self, now: Instant) {
        let oldest = self.oldest(now);
        self.pace.settle(self.sent.len(), oldest);
    }

    /// For how long the oldest has been on its way.
    fn oldest(&self, now: Instant) -> Duration {
        let oldest = self.sent.front();
        oldest.map_or(Duration::ZERO, |sent| {
            now.saturating_duration_since(sent.at)
        })
    }

    /// Those whose time is over. The connection is in doubt when nothing is answered for as long as one
    /// of them could wait.
    ///
    /// Whoever has the time waits for as long as others are answered: to ask again would double the work of a
    /// server, or of a process, that is merely behind, until nothing is answered in time any more.
    pub fn take_late(&mut self, now: Instant) -> Vec<A> {
        let mut late = Vec::new();
        for sent in &mut self.sent {
            let SentKind::Script {
                ask: Some(asked), ..
            } = &mut sent.what
            else {
                continue;
            };
            let times = asked.times_mut();
            let silent_at = self.answered_at + times.patience();
            let patient = silent_at.min(times.latest());
            if times.deadline() <= now && patient > now && !planted!(LateIsAskedAgain) {
                times.wait_until(patient);
            }
            let SentKind::Script { ask, .. } = &mut sent.what else {
                continue;
            };
            let Some(ask) = ask.take_if(|ask| ask.times().deadline() <= now) else {
                continue;
            };
            let (patience, bound) = (ask.times().patience(), ask.times().bound);
            let mut doubt = Doubt {
                at: self.answered_at.max(sent.at) + patience.max(QUICKEST_DOUBT),
                bound,
            };
            if planted!(LateIsInDoubt) {
                doubt.at = now;
            }
            if self.doubtful.is_none_or(|known| doubt.at < known.at) {
                self.doubtful = Some(doubt);
            }
            late.push(ask);
        }
        late
    }

    pub fn doubt(&self) -> Option<Doubt> {
        self.doubtful
    }

    /// When somebody's time is over, or that of the connection.
    pub fn next_due(&self) -> Option<Instant> {
        let deadlines = self.asks().map(|ask| ask.times().deadline());
        deadlines.chain(self.doubtful.map(|doubt| doubt.at)).min()
    }

    pub fn iter(&self) -> impl Iterator<Item = &SentKind<A, C>> {
        self.sent.iter().map(|sent| &sent.what)
    }

    /// What is on its way and waited for.
    pub fn asks(&self) -> impl Iterator<Item = &A> {
        self.iter().filter_map(|what| match what {
            SentKind::Script { ask, .. } => ask.as_ref(),
            SentKind::Other(_) => None,
        })
    }

    /// What was on its way as the connection ends.
    pub fn into_asks(self) -> impl Iterator<Item = A> {
        self.sent.into_iter().filter_map(|sent| match sent.what {
            SentKind::Script { ask, .. } => ask,
            SentKind::Other(_) => None,
        })
    }
}

/// One caller in a hurry does not cost the others their connection.
const QUICKEST_DOUBT: Duration = Duration::from_millis(50);
