use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::StreamExt;
use tokio::io::{AsyncWriteExt, split};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::backoff::Backoff;
use super::connection::{Connection, Unopened};
use super::credentials::PresentSource;
use super::deadline::Deadline;
use super::exchange::{Exchange, Job, WatchedExchange};
use super::jitter::random;
use super::replies::replies;
use super::route::Route;
use super::socket::Progress;
use super::trouble::Trouble;
use super::words::told;
use super::{Answering, FenceOutcome, FenceRequest, RedisSource};
use crate::election::Failure;

/// The commands of callers, over a connection of their own: however large or slow they are, renewals
/// and messages do not wait for them.
///
/// The connection is opened with the first command and closed when it has been idle for a while.
pub(super) struct Commands {
    present: Arc<PresentSource>,
    route: Route,
    line: Mutex<Option<mpsc::UnboundedSender<Job>>>,
}

impl Commands {
    pub fn new(present: Arc<PresentSource>, route: Route) -> Self {
        Commands {
            present,
            route,
            line: Mutex::default(),
        }
    }

    /// Sends it behind all that were sent before.
    pub fn send(&self, request: FenceRequest) -> Answering<FenceOutcome> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            called: Instant::now(),
            request,
            answer,
        };
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let unsent = match &*line {
            // Refused where a panic has ended the task.
            Some(line) => line.send(job).err().map(|job| (job.0, later_connection())),
            None => Some((job, 0)),
        };
        if let Some((job, number)) = unsent {
            let (sender, jobs) = mpsc::unbounded_channel();
            let _ = sender.send(job);
            *line = Some(sender);
            tokio::spawn(Task::new(self.present.clone(), self.route.clone(), jobs, number).run());
        }
        let source = self.present.get();
        Box::pin(async move {
            let answer = answered.await.unwrap_or_else(|_| {
                Err(Failure::Unknown {
                    cause: "internal error".into(),
                })
            });
            answer.map_err(|failure| told(failure, &source))
        })
    }
}

/// The task that owns the connection, for as long as the store is there.
struct Task {
    present: Arc<PresentSource>,
    /// With the credentials of the last attempt to connect.
    source: Arc<RedisSource>,
    route: Route,
    jobs: mpsc::UnboundedReceiver<Job>,
    /// The store is gone.
    closed: bool,
    /// Not sent, in the order of the calls.
    waiting: VecDeque<Job>,
    /// Rises after each connection that was lost with a command on its way: if that command arrives
    /// behind a later one, it is refused.
    number: u64,
    backoff: Backoff,
    trouble: Trouble,
}

impl Task {
    fn new(
        present: Arc<PresentSource>,
        route: Route,
        jobs: mpsc::UnboundedReceiver<Job>,
        number: u64,
    ) -> Self {
        Task {
            source: present.get(),
            present,
            route,
            jobs,
            closed: false,
            waiting: VecDeque::new(),
            number,
            backoff: Backoff::new(random()),
            trouble: Trouble::default(),
        }
    }

    async fn run(mut self) {
        loop {
            if self.waiting.is_empty() {
                match self.jobs.recv().await {
                    Some(job) => self.waiting.push_back(job),
                    None => return,
                }
            }
            if let Some(connection) = self.connect().await {
                self.serve(connection).await;
            }
        }
    }

    /// A connection, unless nobody waits for one any more.
    async fn connect(&mut self) -> Option<Connection> {
        while !self.waiting.is_empty() {
            let longest = self.waiting.iter().map(|job| job.request.bound).max();
            let longest = longest.unwrap_or_default().max(QUICKEST_CONNECTING);
            let pause = self.backoff.next_pause(longest.min(LONGEST_PAUSE));
            self.source = self.present.get();
            let (route, progress) = (self.route.clone(), Progress::default());
            let reached = progress.clone();
            let allowed = longest.min(self.source.connect_timeout);
            let mut attempt = pin!(async move {
                sleep(pause).await;
                let until = Instant::now() + allowed;
                timeout_at(until, route.open(&Deadline::new(until), &reached)).await
            });
            let opened = loop {
                let due = self.waiting.iter().map(Job::due).min()?;
                tokio::select! {
                    opened = &mut attempt => break opened,
                    job = self.jobs.recv(), if !self.closed => {
                        self.accept(job);
                    }
                    () = sleep_until(due) => self.give_up(|job| job.due()),
                }
            };
            let now = Instant::now();
            match opened {
                Ok(Ok(connection)) => {
                    self.trouble.end();
                    self.present.accepted();
                    return Some(connection);
                }
                Ok(Err(Unopened::Failed(failure))) => {
                    if matches!(failure, Failure::Denied { .. }) {
                        self.present.refused();
                    }
                    // The server said so: no use to let the callers wait.
                    if !matches!(failure, Failure::Unknown { .. }) {
                        for job in self.waiting.drain(..) {
                            let _ = job.answer.send(Err(failure.clone()));
                        }
                    }
                    self.trouble.note(now, &failure);
                }
                Ok(Err(Unopened::BrokenOff(failure))) => self.trouble.note_cut(now, &failure),
                Err(_) => {
                    let cause = progress.cause(allowed, &self.source.address());
                    self.trouble.note_cut(now, &Failure::Unknown { cause });
                }
            }
        }
        None
    }

    /// Takes all that is in line, and says when the first of them may be over.
    fn accept(&mut self, job: Option<Job>) -> Option<Instant> {
        self.closed = job.is_none();
        let before = self.waiting.len();
        self.waiting.extend(job);
        while let Ok(job) = self.jobs.try_recv() {
            self.waiting.push_back(job);
        }
        self.waiting.range(before..).map(Job::due).min()
    }

    /// Answers those that could not be sent in time.
    fn give_up(&mut self, due: impl Fn(&Job) -> Instant) {
        let now = Instant::now();
        for job in std::mem::take(&mut self.waiting) {
            if due(&job) > now {
                self.waiting.push_back(job);
                continue;
            }
            let cause = match self.trouble.cause() {
                Some(cause) => cause,
                None => {
                    let bound = job.request.bound.as_millis();
                    let address = self.source.address();
                    format!("it could not be sent within {bound} ms ({address})").into()
                }
            };
            let _ = job.answer.send(Err(Failure::Refused { cause }));
        }
    }

    /// Sends and hears until the connection is lost, or has been idle for long enough.
    async fn serve(&mut self, connection: Connection) {
        let clustered = connection.clustered;
        let Some(socket) = connection.into_socket() else {
            return;
        };
        let mut exchange = Exchange::new(self.source.clone(), self.number, clustered);
        let (reading, mut writing) = split(socket);
        let moved = exchange.moved.clone();
        let mut replies = pin!(replies(WatchedExchange { reading, moved }));
        let mut writable = true;
        // One that rings too early is cheaper than one that is set again for each command.
        let mut alarm = pin!(sleep_until(Instant::now()));
        let failure = loop {
            exchange.put_all(&mut self.waiting);
            if exchange.is_over() {
                break None;
            }
            tokio::select! {
                reply = replies.next() => match exchange.hear(reply) {
                    Ok(()) => self.backoff.reset(),
                    Err(failure) => break Some(failure),
                },
                taken = writing.write(exchange.outgoing.next()),
                    if writable && !exchange.outgoing.is_empty() => match taken {
                        Ok(bytes) if bytes > 0 => exchange.taken(bytes),
                        // What was answered before is still to be read.
                        _ => writable = false,
                    },
                job = self.jobs.recv(), if !self.closed => {
                    let due = self.accept(job);
                    let rings_at = alarm.deadline();
                    alarm.as_mut().reset(due.unwrap_or_else(Instant::now).min(rings_at));
                }
                () = &mut alarm => {
                    if let Err(failure) = exchange.give_up() {
                        break Some(failure);
                    }
                    let moved = exchange.moved.at();
                    self.give_up(|job| job.due().max(moved + job.request.bound));
                    let idle = exchange.is_idle() && self.waiting.is_empty();
                    if idle && (self.closed || moved + IDLE <= Instant::now()) {
                        break None;
                    }
                    alarm.as_mut().reset(self.next_due(&exchange));
                }
            }
        };
        if exchange.end(failure.as_ref(), &mut self.waiting) {
            self.number = later_connection();
        }
        if let Some(failure) = failure {
            self.trouble.note(Instant::now(), &failure);
        }
    }

    /// When somebody's time may be over, or that of the idle connection.
    fn next_due(&self, exchange: &Exchange) -> Instant {
        let moved = exchange.moved.at();
        let waiting = self.waiting.iter();
        let waiting = waiting.map(|job| job.due().max(moved + job.request.bound));
        let due = waiting.chain(exchange.next_due()).min();
        due.unwrap_or(match self.closed {
            true => Instant::now(),
            false => moved + IDLE,
        })
    }
}

/// A number above all that were in use before in this process.
fn later_connection() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// How long the connection stays open for the next command.
const IDLE: Duration = Duration::from_secs(30);
/// However soon the callers want their answers, to connect takes its time.
const QUICKEST_CONNECTING: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
