use std::collections::VecDeque;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::stream::{Stream, StreamExt};
use redis::{PushKind, RedisError, ServerErrorKind, Value};
use tokio::io::{AsyncWriteExt, WriteHalf, split};
use tokio::time::Instant;

use super::ask::{Ask, SentNote};
use super::connection::{Push, message};
use super::error::{refuses_evalsha, server_words};
use super::outgoing::Outgoing;
use super::replies::replies;
use super::script::Script;
use super::socket::Socket;
use super::unanswered::{Doubt, SentKind, Unanswered};
use super::waiting_line::WaitingLine;
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
    unanswered: Unanswered<Box<Ask>, Channels>,
    /// Scripts that were not run, and are sent again when it is known what became of those that were sent behind
    /// them for the same key, each with what the server said.
    again: Vec<(Box<Ask>, Arc<str>)>,
    /// Those of them that cannot be sent again, because one behind them was run.
    overtaken: Vec<(Box<Ask>, Failure)>,
    /// Who is told when so many bytes were written.
    unwritten: VecDeque<(u64, SentNote)>,
    /// The scripts that were sent in full over this connection. They are few.
    known: Vec<&'static Script>,
    /// The server refuses EVALSHA.
    by_text_only: bool,
}

pub(super) type Said = Result<Value, RedisError>;

/// A change of what is subscribed to, on its way.
struct Channels {
    change: ChannelChange,
    channels: Vec<Arc<str>>,
    /// How many of them the server has confirmed.
    confirmed: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelChange {
    Subscribe,
    Unsubscribe,
}

/// What something that the server said means.
pub(super) enum Heard {
    Answered(Box<Ask>, Said),
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
            unanswered: Unanswered::new(now),
            again: Vec::new(),
            overtaken: Vec::new(),
            unwritten: VecDeque::new(),
            known: Vec::new(),
            by_text_only: false,
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

    /// The next of those that wait, as far as the socket and the server keep up.
    pub fn admit(&self, line: &mut WaitingLine<Box<Ask>>, now: Instant) -> Option<Box<Ask>> {
        let has_room = self.outgoing.waiting() < AHEAD;
        has_room.then(|| self.unanswered.admit(line, now))?
    }

    /// All that the server has said by now was heard.
    pub fn settle(&mut self, now: Instant) {
        self.unanswered.settle(now);
    }

    /// Sends a script. The first call of each over a connection sends its text: one round trip whether
    /// the server knows it or not, and nothing that is sent behind it overtakes it.
    pub fn ask(&mut self, ask: Box<Ask>, now: Instant) {
        let Some(script) = ask.script() else {
            return;
        };
        let is_known = self.known.iter().any(|known| ptr::eq(*known, script));
        if !is_known {
            self.known.push(script);
        }
        let by_hash = is_known && !self.by_text_only;
        ask.put(by_hash, &mut self.outgoing, &mut self.spare);
        if let Some(note) = ask.told_when_sent() {
            self.unwritten.push_back((self.outgoing.put, note));
        }
        self.unanswered.push_script(ask, by_hash, now);
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
            let channels = Channels {
                change,
                channels: channels.to_vec(),
                confirmed: 0,
            };
            self.unanswered.push_other(channels, now);
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
        let Some(SentKind::Other(sent)) = self.unanswered.front_mut() else {
            return Heard::Nothing;
        };
        let Some(channel) = sent.channels.get(sent.confirmed).cloned() else {
            return Heard::Nothing;
        };
        sent.confirmed += 1;
        let change = sent.change;
        match sent.confirmed == sent.channels.len() {
            true => drop(self.unanswered.pop(now)),
            false => self.unanswered.note_answer(now),
        }
        Heard::Confirmed(change, vec![channel])
    }

    fn hear_answer(&mut self, answer: Said, now: Instant) -> Heard {
        let asked = self.unanswered.front_mut();
        if let (Ok(Value::Array(_)), Some(SentKind::Other(_))) = (&answer, asked) {
            // As in the older protocol.
            return self.hear_confirmation(now);
        }
        let heard = self.hear_answer_to_first(answer, now);
        if !self.again.is_empty() {
            self.send_free_again(now);
        }
        heard
    }

    fn hear_answer_to_first(&mut self, answer: Said, now: Instant) -> Heard {
        match (self.unanswered.pop(now), answer) {
            (None, _) => Heard::Nothing,
            (Some(SentKind::Script { ask: None, .. }), answer) => {
                if !answer.is_err_and(|error| self.is_not_run(&error)) {
                    self.note_run(|_| true);
                }
                Heard::Nothing
            }
            (
                Some(SentKind::Script {
                    ask: Some(ask),
                    by_hash: true,
                }),
                Err(error),
            ) if self.is_not_run(&error) => {
                self.again.push((ask, server_words(&error).into()));
                Heard::Nothing
            }
            (Some(SentKind::Script { ask: Some(ask), .. }), answer) => {
                self.note_run(|other| other.shares_key(&ask));
                Heard::Answered(ask, answer)
            }
            (Some(SentKind::Other(sent)), Err(error)) => {
                Heard::Refused(sent.change, sent.channels, error)
            }
            (Some(SentKind::Other(sent)), Ok(_)) => Heard::Confirmed(sent.change, sent.channels),
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

    /// A script was run: none of these may be sent again behind it.
    fn note_run(&mut self, shares_key: impl Fn(&Ask) -> bool) {
        for (ask, cause) in self.again.extract_if(.., |(ask, _)| shares_key(ask)) {
            self.overtaken.push((ask, Failure::Refused { cause }));
        }
    }

    /// Sends those again, in their order, behind which nothing is on its way for the same key.
    fn send_free_again(&mut self, now: Instant) {
        let unanswered = &self.unanswered;
        let is_free = |(ask, _): &mut (Box<Ask>, Arc<str>)| {
            !unanswered.iter().any(|sent| match sent {
                SentKind::Script { ask: other, .. } => {
                    other.as_ref().is_none_or(|other| other.shares_key(ask))
                }
                SentKind::Other(_) => false,
            })
        };
        let free: Vec<_> = self.again.extract_if(.., is_free).collect();
        for (ask, _) in free {
            self.ask(ask, now);
        }
    }

    /// Those that were not run, and cannot be any more without overtaking what was sent behind them.
    pub fn take_overtaken(&mut self) -> Vec<(Box<Ask>, Failure)> {
        std::mem::take(&mut self.overtaken)
    }

    pub fn take_late(&mut self, now: Instant) -> impl Iterator<Item = Box<Ask>> + use<> {
        self.unanswered.take_late(now).into_iter()
    }

    pub fn doubt(&self) -> Option<Doubt> {
        self.unanswered.doubt()
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.unanswered.next_due()
    }

    pub fn asks(&self) -> impl Iterator<Item = &Box<Ask>> {
        let again = self.again.iter().map(|(ask, _)| ask);
        self.unanswered.asks().chain(again)
    }

    pub fn into_asks(self) -> impl Iterator<Item = Box<Ask>> {
        let again = self.again.into_iter().map(|(ask, _)| ask);
        self.unanswered.into_asks().chain(again)
    }
}

/// How many bytes wait for the socket; the rest waits where it can still be overtaken, and dropped.
const AHEAD: u64 = 64 * 1024;
const MOST_CHANNELS: usize = 1_000;
