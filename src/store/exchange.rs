use std::collections::{HashSet, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use redis::{RedisError, Value};
use tokio::io::{AsyncRead, ReadBuf, ReadHalf};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::command_keys::keys_of;
use super::error::{classify, no_answer};
use super::fence::{FENCE, decode_outcome, script_arguments};
use super::keys::fence_key;
use super::outgoing::Outgoing;
use super::socket::Socket;
use super::{FenceOutcome, FenceRequest, RedisSource, slots};
use crate::election::Failure;

/// A command that waits for its answer.
pub(super) struct Job {
    pub request: FenceRequest,
    pub called: Instant,
    pub answer: oneshot::Sender<Result<FenceOutcome, Failure>>,
}

impl Job {
    /// When it is given up where nothing moves.
    pub fn due(&self) -> Instant {
        self.called + self.request.bound
    }
}

/// The commands and replies of one connection, both in the order of the calls.
pub(super) struct Exchange {
    source: Arc<RedisSource>,
    number: u64,
    clustered: bool,
    pub outgoing: Outgoing,
    /// Put in for the socket, and not answered.
    sent: VecDeque<Sent>,
    /// How many of these ask for keys.
    asking: usize,
    pub moved: Moved,
    policy_asked: Option<Instant>,
    /// Nothing more is sent: the server cannot serve us.
    leaving: Option<Failure>,
}

struct Sent {
    what: What,
    /// Where it begins in all that was put in.
    begins: u64,
    at: Instant,
    bound: Duration,
}

impl Sent {
    /// When its time is over, where nothing has moved since.
    fn due(&self, moved: Instant) -> Instant {
        self.at.max(moved) + self.bound
    }
}

enum What {
    /// `None` once nobody waits for it any more.
    Command(Option<oneshot::Sender<Result<FenceOutcome, Failure>>>),
    /// Asks for the keys of a command, which is sent when they are known.
    Keys(Job),
    /// Asks by which policy the server evicts.
    Policy,
}

impl Exchange {
    pub fn new(source: Arc<RedisSource>, number: u64, clustered: bool) -> Self {
        Exchange {
            source,
            number,
            clustered,
            outgoing: Outgoing::default(),
            sent: VecDeque::new(),
            asking: 0,
            moved: Moved::new(),
            policy_asked: None,
            leaving: None,
        }
    }

    /// Puts in what waits, as far as the socket and the server keep up.
    pub fn put_all(&mut self, waiting: &mut VecDeque<Job>) {
        let oldest = self.sent.front();
        let silent = oldest.is_some_and(|sent| sent.due(self.moved.at()) <= Instant::now());
        while self.leaving.is_none()
            && !silent
            && self.outgoing.waiting() < AHEAD
            && let Some(job) = waiting.pop_front()
        {
            self.put(job);
        }
    }

    fn put(&mut self, job: Job) {
        if self
            .policy_asked
            .is_none_or(|at| at.elapsed() > POLICY_LASTS)
        {
            self.policy_asked = Some(Instant::now());
            self.note(What::Policy, QUICKEST_DOUBT);
            self.put_words(&["INFO", "memory"]);
        }
        match &job.request.command {
            Some(command) if self.clustered => {
                let command: Vec<Vec<u8>> = command.iter().map(|part| shown(part)).collect();
                self.note_question(job);
                self.outgoing.begin_command(2 + command.len());
                for part in [&b"COMMAND"[..], b"GETKEYS"] {
                    self.outgoing.argument(part);
                }
                for part in command {
                    self.outgoing.argument(&part);
                }
            }
            // It waits for those before it.
            None if self.asking > 0 => {
                self.note_question(job);
                self.put_words(&["PING"]);
            }
            _ => self.put_script(job),
        }
    }

    fn note_question(&mut self, job: Job) {
        self.asking += 1;
        let bound = job.request.bound;
        self.note(What::Keys(job), bound);
    }

    fn put_script(&mut self, job: Job) {
        let Job {
            mut request,
            answer,
            ..
        } = job;
        let command = request.command.take().unwrap_or_default();
        let bytes: usize = command.iter().map(Vec::len).sum();
        let allowance = Duration::from_nanos(NANOS_PER_BYTE * bytes as u64);
        self.note(What::Command(Some(answer)), request.bound + allowance);
        let key = fence_key(&self.source.key_prefix, &request.resource);
        let own = script_arguments(&request, self.number);
        let keys = keys_of(&command);
        let count = (1 + keys.len()).to_string();
        self.outgoing
            .begin_command(4 + keys.len() + own.len() + command.len());
        for argument in ["EVAL", &**FENCE, &*count, &*key] {
            self.outgoing.argument(argument.as_bytes());
        }
        for place in keys {
            self.outgoing.argument(&command[place]);
        }
        for argument in own {
            self.outgoing.argument(argument.as_bytes());
        }
        for argument in command {
            self.outgoing.owned_argument(argument);
        }
    }

    fn put_words(&mut self, words: &[&str]) {
        self.outgoing.begin_command(words.len());
        for word in words {
            self.outgoing.argument(word.as_bytes());
        }
    }

    fn note(&mut self, what: What, bound: Duration) {
        self.sent.push_back(Sent {
            what,
            begins: self.outgoing.put,
            at: Instant::now(),
            bound,
        });
    }

    /// The socket has taken so many bytes.
    pub fn taken(&mut self, bytes: usize) {
        self.outgoing.take(bytes);
        self.moved.note();
    }

    /// Hears the next reply.
    ///
    /// # Errors
    ///
    /// When there is none: the connection is lost.
    pub fn hear(&mut self, reply: Option<Result<Value, RedisError>>) -> Result<(), Failure> {
        let value = match reply {
            // Nobody has asked for it.
            Some(Ok(Value::Push { .. })) => return Ok(()),
            Some(Ok(value)) => value,
            _ => {
                return Err(Failure::Unknown {
                    cause: format!("connection closed ({})", self.source.address()).into(),
                });
            }
        };
        let Some(sent) = self.sent.pop_front() else {
            return Ok(());
        };
        let reply = value.extract_error();
        let verdict = reply.as_ref().err().map(classify);
        if let Some(verdict) = &verdict
            && verdict.reconnect
        {
            self.leaving.get_or_insert(verdict.failure.clone());
        }
        match sent.what {
            What::Command(None) => {}
            What::Command(Some(answer)) => {
                let outcome = match (reply, verdict) {
                    (Ok(value), _) => decode_outcome(value),
                    (Err(error), verdict) => {
                        Err(verdict.unwrap_or_else(|| classify(&error)).failure)
                    }
                };
                // The caller may have stopped waiting.
                let _ = answer.send(outcome);
            }
            What::Keys(job) => {
                self.asking -= 1;
                let key = fence_key(&self.source.key_prefix, &job.request.resource);
                let asked = job.request.command.is_some();
                match asked.then(|| slots::refusal(&key, reply)).flatten() {
                    Some(refusal) => {
                        let _ = job.answer.send(refusal);
                    }
                    None => self.put_script(job),
                }
            }
            What::Policy => {
                if let Ok(Value::BulkString(info)) = &reply {
                    self.judge_policy(&String::from_utf8_lossy(info));
                } else if let Ok(Value::VerbatimString { text, .. }) = &reply {
                    self.judge_policy(text);
                }
            }
        }
        Ok(())
    }

    /// The record of a fence has no expiry. Where such keys are evicted, it can go before its data does.
    fn judge_policy(&self, info: &str) {
        let policy = info
            .lines()
            .find_map(|line| line.strip_prefix("maxmemory_policy:"));
        let Some(policy) = policy.filter(|policy| policy.starts_with("allkeys-")) else {
            return;
        };
        let seen = (self.source.address(), policy.to_owned());
        let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert(seen) {
            tracing::warn!(
                redis = %self.source,
                "maxmemory-policy {policy} may evict the record of a fence and keep the data, and then a \
                 stale write is accepted: set noeviction or a volatile-* policy"
            );
        }
    }

    /// Answers those whose time is over.
    ///
    /// # Errors
    ///
    /// When nothing has moved for so long that the connection is not to be trusted any more.
    pub fn give_up(&mut self) -> Result<(), Failure> {
        let (now, moved) = (Instant::now(), self.moved.at());
        let address = self.source.address();
        let unknown = |bound| Failure::Unknown {
            cause: no_answer(bound, &address).into(),
        };
        for sent in &mut self.sent {
            let is_over = sent.due(moved) <= now;
            if let What::Command(answer) = &mut sent.what
                && is_over
                && let Some(answer) = answer.take()
            {
                let _ = answer.send(Err(unknown(sent.bound)));
            }
        }
        match self.doubtful_at() {
            Some((at, longest)) if at <= now => Err(unknown(longest)),
            _ => Ok(()),
        }
    }

    /// When the connection is in doubt, unless something moves, and after how long.
    fn doubtful_at(&self) -> Option<(Instant, Duration)> {
        let oldest = self.sent.front()?;
        let longest = self.sent.iter().map(|sent| sent.bound).max()?;
        let longest = longest.max(QUICKEST_DOUBT);
        Some((oldest.at.max(self.moved.at()) + longest, longest))
    }

    /// When the next one's time may be over.
    pub fn next_due(&self) -> Option<Instant> {
        let moved = self.moved.at();
        let waited_for = self.sent.iter().filter(|sent| match &sent.what {
            What::Command(answer) => answer.is_some(),
            What::Keys(_) | What::Policy => false,
        });
        let due = waited_for.map(|sent| sent.due(moved));
        due.chain(self.doubtful_at().map(|(at, _)| at)).min()
    }

    pub fn is_idle(&self) -> bool {
        self.sent.is_empty() && self.outgoing.is_empty()
    }

    /// The server has answered all that it will.
    pub fn is_over(&self) -> bool {
        self.leaving.is_some() && self.sent.is_empty()
    }

    /// Answers what was on its way, and gives back what was not. True where a command may still arrive.
    pub fn end(mut self, failure: Option<&Failure>, waiting: &mut VecDeque<Job>) -> bool {
        let cause = failure.or(self.leaving.as_ref()).map(Failure::cause);
        let cause = cause.cloned().unwrap_or_default();
        let mut may_arrive = false;
        for sent in self.sent.drain(..).rev() {
            match sent.what {
                What::Command(answer) => {
                    let begun = sent.begins < self.outgoing.written;
                    may_arrive |= begun;
                    let cause = cause.clone();
                    let failure = match begun {
                        true => Failure::Unknown { cause },
                        false => Failure::Refused { cause },
                    };
                    if let Some(answer) = answer {
                        let _ = answer.send(Err(failure));
                    }
                }
                What::Keys(job) => waiting.push_front(job),
                What::Policy => {}
            }
        }
        may_arrive
    }
}

/// When a byte was last sent or received.
#[derive(Clone)]
pub(super) struct Moved(Arc<Mutex<Instant>>);

impl Moved {
    fn new() -> Self {
        Moved(Arc::new(Mutex::new(Instant::now())))
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub fn at(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes whatever is received.
pub(super) struct WatchedExchange {
    pub reading: ReadHalf<Socket>,
    pub moved: Moved,
}

impl AsyncRead for WatchedExchange {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.reading).poll_read(context, buffer);
        if matches!(read, Poll::Ready(Ok(()))) {
            self.moved.note();
        }
        read
    }
}

/// An argument as far as it can be a key: a large one is not sent twice.
fn shown(argument: &[u8]) -> Vec<u8> {
    match argument.len() {
        0..=LONGEST_KEY => argument.to_vec(),
        _ => Vec::new(),
    }
}

static WARNED: LazyLock<Mutex<HashSet<(String, String)>>> = LazyLock::new(Mutex::default);

/// How many bytes wait for the socket; the rest waits where it can still be told that it was not sent.
const AHEAD: u64 = 256 * 1024;
const LONGEST_KEY: usize = 64 * 1024;
/// How long Redis may work on what it was sent before it answers: a second for 100 MB, which it copies
/// twice for a script.
const NANOS_PER_BYTE: u64 = 10;
/// One caller in a hurry does not cost the others their connection.
const QUICKEST_DOUBT: Duration = Duration::from_millis(250);
/// An administrator may change it at any time.
const POLICY_LASTS: Duration = Duration::from_secs(60);
