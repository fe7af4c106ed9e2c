use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{Stream, StreamExt};
use redis::{PushKind, RedisError, ServerErrorKind, Value};
use tokio::io::{AsyncWriteExt, WriteHalf, split};
use tokio::time::Instant;

use super::ask::{Ask, SentNote};
use super::connection::{Push, message};
use super::error::{refuses_evalsha, server_words};
use super::outgoing::Outgoing;
use super::pace::Pace;
use super::replies::replies;
use super::socket::Socket;
use crate::election::Failure;

/// An open connection: what was sent over it, and is answered in the same order.
pub(super) struct Wire {
    pub since: Instant,
    /// The server pushes messages (RESP3).
    pub pushing: bool,
    replies: Pin<Box<dyn Stream<Item = Said> + Send>>,
    writing: WriteHalf<Socket>,
    writable: bool,
    outgoing: Outgoing,
    /// Memory to write a command in.
    spare: Vec<u8>,
    sent: VecDeque<SentCommand>,
    /// Who is told when so many bytes were written.
    unwritten: VecDeque<(u64, SentNote)>,
    /// The scripts that were sent in full over this connection, by their SHA1.
    known: HashSet<&'static str>,
    /// The server refuses EVALSHA.
    by_text_only: bool,
    /// When the server has last answered something. A message is no answer.
    answered_at: Instant,
    /// When the connection is in doubt, unless something is answered before.
    doubtful: Option<Doubt>,
    pace: Pace,
}

pub(super) type Said = Result<Value, RedisError>;

/// From when on nothing that follows can be trusted to arrive, because nothing was answered for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub at: Instant,
    pub bound: Duration,
}

struct SentCommand {
    what: SentKind,
    at: Instant,
}

#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are scripts, for which a box would cost more"
)]
enum SentKind {
    /// `None` once nobody waits for it any more.
    Script { ask: Option<Ask>, by_hash: bool },
    Channels {
        change: ChannelChange,
        channels: Vec<Arc<str>>,
        /// How many of them the server has confirmed.
        confirmed: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelChange {
    Subscribe,
    Unsubscribe,
}

/// What something that the server said means.
pub(super) enum Heard {
    Answered(Ask, Said),
    /// The script was not run, and cannot be sent again without overtaking what was sent behind it.
    NotRun(Ask, Failure),
    Confirmed(ChannelChange, Vec<Arc<str>>),
    Refused(ChannelChange, Vec<Arc<str>>, RedisError),
    Message(Push),
    /// Nobody waits for it, or it was dealt with.
    Nothing,
    /// It cannot be read, or is the end.
    End(RedisError),
}

impl Wire {
    pub fn new(socket: Socket, pushing: bool) -> Self {
        let (reading, writing) = split(socket);
        let now = Instant::now();
        Wire {
            since: now,
            pushing,
            replies: Box::pin(replies(reading)),
            writing,
            writable: true,
            outgoing: Outgoing::default(),
            spare: Vec::new(),
            sent: VecDeque::new(),
            unwritten: VecDeque::new(),
            known: HashSet::new(),
            by_text_only: false,
            answered_at: now,
            doubtful: None,
            pace: Pace::new(),
        }
    }

    /// What the server says next; writes meanwhile. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Said {
        loop {
            tokio::select! {
                // However much is said, what waits goes out.
                biased;
                taken = self.writing.write(self.outgoing.next()),
                    if self.writable && !self.outgoing.is_empty() => match taken {
                        Ok(bytes) if bytes > 0 => {
                            self.outgoing.take(bytes);
                            self.tell_sent();
                        }
                        // What was answered before is still to be read.
                        _ => self.writable = false,
                    },
                Some(said) = self.replies.next() => return said,
            }
        }
    }

    fn tell_sent(&mut self) {
        while let Some((until, _)) = self.unwritten.front()
            && *until <= self.outgoing.written
            && let Some((_, note)) = self.unwritten.pop_front()
        {
            note.tell();
        }
    }

    /// What is already here, without waiting.
    pub fn ready(&mut self) -> Option<Said> {
        self.replies.next().now_or_never().flatten()
    }

    pub fn admits_held(&self) -> bool {
        self.outgoing.waiting() < AHEAD && self.pace.admits_held(self.sent.len())
    }

    pub fn admits_new(&self, now: Instant) -> bool {
        let oldest = self.sent.front();
        let oldest = oldest.map_or(Duration::ZERO, |sent| now.duration_since(sent.at));
        self.outgoing.waiting() < AHEAD && self.pace.admits_new(self.sent.len(), oldest)
    }

    /// Sends a script. The first call of each over a connection sends its text: one round trip whether
    /// the server knows it or not, and nothing that is sent behind it overtakes it.
    pub fn ask(&mut self, ask: Ask, now: Instant) {
        let Some(script) = ask.script() else {
            return;
        };
        let by_hash = !self.by_text_only && self.known.contains(script.sha1());
        if !by_hash {
            self.known.insert(script.sha1());
        }
        ask.put(by_hash, &mut self.outgoing, &mut self.spare);
        if let Some(note) = ask.told_when_sent() {
            self.unwritten.push_back((self.outgoing.put, note));
        }
        let what = SentKind::Script {
            ask: Some(ask),
            by_hash,
        };
        self.sent.push_back(SentCommand { what, at: now });
    }

    /// Subscribes to channels, or ends that, in one command as far as that is of bearable length.
    pub fn change(&mut self, change: ChannelChange, channels: &[Arc<str>], now: Instant) {
        for channels in channels.chunks(MOST_CHANNELS) {
            self.outgoing.begin_command(1 + channels.len());
            self.outgoing.argument(match change {
                ChannelChange::Subscribe => b"SUBSCRIBE",
                ChannelChange::Unsubscribe => b"UNSUBSCRIBE",
            });
            for channel in channels {
                self.outgoing.argument(channel.as_bytes());
            }
            let what = SentKind::Channels {
                change,
                channels: channels.to_vec(),
                confirmed: 0,
            };
            self.sent.push_back(SentCommand { what, at: now });
        }
    }

    pub fn hear(&mut self, said: Said, now: Instant) -> Heard {
        match said {
            Err(error) => Heard::End(error),
            Ok(Value::Push { kind, data }) => match kind {
                PushKind::Subscribe | PushKind::Unsubscribe => self.hear_confirmation(now),
                _ => message(kind, data).map_or(Heard::Nothing, Heard::Message),
            },
            Ok(value) => self.hear_answer(value.extract_error(), now),
        }
    }

    /// The server confirms each channel by itself, in the order of the command.
    fn hear_confirmation(&mut self, now: Instant) -> Heard {
        let Some(SentCommand {
            what:
                SentKind::Channels {
                    change,
                    channels,
                    confirmed,
                },
            at,
        }) = self.sent.front_mut()
        else {
            return Heard::Nothing;
        };
        let (change, at) = (*change, *at);
        let Some(channel) = channels.get(*confirmed).cloned() else {
            return Heard::Nothing;
        };
        *confirmed += 1;
        if *confirmed == channels.len() {
            self.sent.pop_front();
        }
        self.note_answer(at, now);
        Heard::Confirmed(change, vec![channel])
    }

    fn hear_answer(&mut self, answer: Said, now: Instant) -> Heard {
        let asked = self.sent.front().map(|sent| &sent.what);
        if let (Ok(Value::Array(_)), Some(SentKind::Channels { .. })) = (&answer, asked) {
            // As in the older protocol.
            return self.hear_confirmation(now);
        }
        let Some(SentCommand { what, at }) = self.sent.pop_front() else {
            return Heard::Nothing;
        };
        self.note_answer(at, now);
        match (what, answer) {
            (SentKind::Script { ask: None, .. }, _) => Heard::Nothing,
            (
                SentKind::Script {
                    ask: Some(ask),
                    by_hash: true,
                },
                Err(error),
            ) if self.is_not_run(&error) => self.send_again(ask, &error, now),
            (SentKind::Script { ask: Some(ask), .. }, answer) => Heard::Answered(ask, answer),
            (
                SentKind::Channels {
                    change, channels, ..
                },
                Err(error),
            ) => Heard::Refused(change, channels, error),
            (
                SentKind::Channels {
                    change, channels, ..
                },
                Ok(_),
            ) => Heard::Confirmed(change, channels),
        }
    }

    /// Whether the server lacks the script, or the short form of calling it: not what the script does.
    fn is_not_run(&mut self, error: &RedisError) -> bool {
        if error.kind() == ServerErrorKind::NoScript.into() {
            // SCRIPT FLUSH, or another server.
            self.known.clear();
            return true;
        }
        let refuses = refuses_evalsha(error);
        self.by_text_only |= refuses;
        refuses
    }

    /// Sends a script by its text, unless that would reorder it with others for the same key.
    fn send_again(&mut self, ask: Ask, error: &RedisError, now: Instant) -> Heard {
        let follows = self.sent.iter().any(|sent| match &sent.what {
            SentKind::Script { ask: other, .. } => {
                other.as_ref().is_none_or(|other| other.shares_key(&ask))
            }
            SentKind::Channels { .. } => false,
        });
        if follows {
            let cause = server_words(error).into();
            return Heard::NotRun(ask, Failure::Refused { cause });
        }
        self.ask(ask, now);
        Heard::Nothing
    }

    fn note_answer(&mut self, sent_at: Instant, now: Instant) {
        self.answered_at = now;
        self.doubtful = None;
        self.pace.answered(now.duration_since(sent_at));
    }

    /// Those whose time is over. The connection is in doubt when nothing is answered for as long as one
    /// of them could wait.
    pub fn take_late(&mut self, now: Instant) -> Vec<Ask> {
        let mut late = Vec::new();
        for sent in &mut self.sent {
            let SentKind::Script { ask, .. } = &mut sent.what else {
                continue;
            };
            let Some(ask) = ask.take_if(|ask| ask.deadline <= now) else {
                continue;
            };
            let patience = ask.deadline.duration_since(ask.asked_at);
            let doubt = Doubt {
                at: self.answered_at.max(sent.at) + patience.max(QUICKEST_DOUBT),
                bound: ask.bound,
            };
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
        let deadlines = self.asks().map(|ask| ask.deadline);
        deadlines.chain(self.doubtful.map(|doubt| doubt.at)).min()
    }

    /// What is on its way and waited for.
    pub fn asks(&self) -> impl Iterator<Item = &Ask> {
        self.sent.iter().filter_map(|sent| match &sent.what {
            SentKind::Script { ask, .. } => ask.as_ref(),
            SentKind::Channels { .. } => None,
        })
    }

    /// What was on its way as the connection ends.
    pub fn into_asks(self) -> impl Iterator<Item = Ask> {
        self.sent.into_iter().filter_map(|sent| match sent.what {
            SentKind::Script { ask, .. } => ask,
            SentKind::Channels { .. } => None,
        })
    }
}

/// How many bytes wait for the socket; the rest waits where it can still be overtaken, and dropped.
const AHEAD: u64 = 64 * 1024;
const MOST_CHANNELS: usize = 1_000;
/// One caller in a hurry does not cost the others their connection.
const QUICKEST_DOUBT: Duration = Duration::from_millis(50);
