use std::fmt;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::{Arc, mpsc as blocking};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::OwnedMutexGuard;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, Sleep, sleep};

use super::mailbox::Mailbox;
use super::run_change::{Beginning, RunChange, RunInput};
use super::waiters::turn;
use super::{Heartbeat, LeaseCell, now};
use crate::election::run::{Refusal, RunConfig, RunLease, RunOutcome, RunOutput, RunRequest};
use crate::election::{Failure, Random, Time};
use crate::store::RunStore;

/// Runs one to its end. A panic in it is that run's alone.
pub(super) async fn live(mut run: RunLoop) {
    if AssertUnwindSafe(run.run()).catch_unwind().await.is_err() {
        run.end_term();
        (run.sink)(RunChange::Failed);
    }
}

/// The loop around the lease of one run.
pub(super) struct RunLoop {
    lease: RunLease,
    config: RunConfig,
    random: Random,
    store: Arc<dyn RunStore>,
    resource: Arc<str>,
    max_run: Option<Duration>,
    overrun_at: Option<Time>,
    /// When the lease is released under the run.
    release_at: Option<Time>,
    /// When the alarm rings, if it is set.
    alarm_at: Option<Time>,
    /// Until it is watched.
    stall: Option<(Heartbeat, Duration)>,
    inputs: Arc<Mailbox<RunInput>>,
    /// The handle is gone.
    dropped: bool,
    /// The messages of releases, while there is something to wait for.
    released: Option<UnboundedReceiver<Duration>>,
    /// While it is this one's turn to wait.
    turn: Option<OwnedMutexGuard<()>>,
    /// Dropped with the loop, for those who wait for its end.
    waiting: Vec<blocking::Sender<()>>,
    replies: FuturesUnordered<BoxFuture<'static, RunReply>>,
    cell: Option<Arc<LeaseCell>>,
    sink: Box<dyn Fn(RunChange) + Send + Sync>,
    ended: bool,
}

type RunReply = (RunRequest, Result<RunOutcome, Failure>);

enum RunHappening {
    RunInput(Option<RunInput>),
    RunReply(RunReply),
    Released(Option<Duration>),
    Timeout,
}

impl RunLoop {
    pub fn new(beginning: Beginning) -> Self {
        let Beginning {
            start,
            random,
            inputs,
        } = beginning;
        RunLoop {
            lease: RunLease::new(start.config.clone(), random.clone()),
            config: start.config,
            random,
            store: start.store,
            resource: start.resource,
            max_run: start.max_run,
            overrun_at: None,
            release_at: None,
            alarm_at: None,
            stall: start.stall,
            inputs,
            dropped: false,
            released: None,
            turn: None,
            waiting: Vec::new(),
            replies: FuturesUnordered::new(),
            cell: None,
            sink: start.sink,
            ended: false,
        }
    }

    async fn run(&mut self) {
        let wait = self.config.wait;
        if !wait.is_zero() {
            // Before the first question: a release in between must not be missed.
            self.released = Some(self.store.subscribe_releases(&self.resource));
            let until = now() + wait;
            self.turn = self.queue(wait).await;
            if self.turn.is_none() {
                return;
            }
            self.config.wait = until.since(now());
            self.lease = RunLease::new(self.config.clone(), self.random.clone());
        }
        self.lease.acquire(now());
        let mut alarm = pin!(sleep(Duration::ZERO));
        loop {
            self.carry_out();
            if self.ended {
                return;
            }
            let happening = self.wait(alarm.as_mut()).await;
            let now = now();
            // A wait can be late. The time goes first, as in an election.
            if self.lease.poll_timeout().is_some_and(|at| at <= now) {
                self.lease.handle_timeout(now);
            }
            if self.overrun_at.is_some_and(|at| at <= now) {
                self.overrun();
            }
            if self.release_at.is_some_and(|at| at <= now) {
                self.cut(now);
            }
            self.hear(now, happening);
        }
    }

    /// Waits for its turn among those of this process that wait for the same resource; `None` when it
    /// has been answered before that.
    async fn queue(&mut self, wait: Duration) -> Option<OwnedMutexGuard<()>> {
        let refusal = tokio::select! {
            turn = turn(&self.store, &self.resource) => return Some(turn),
            () = sleep(wait) => Refusal::Held,
            () = left(&self.inputs, &mut self.waiting) => Refusal::Abandoned,
        };
        (self.sink)(RunChange::Refused(refusal));
        None
    }

    async fn wait(&mut self, mut alarm: Pin<&mut Sleep>) -> RunHappening {
        let timeouts = [self.lease.poll_timeout(), self.overrun_at, self.release_at];
        let wake_at = timeouts.into_iter().flatten().min();
        // One that rings too early is cheaper than one that is set anew each time.
        if let Some(at) = wake_at
            && self.alarm_at.is_none_or(|set| at < set)
        {
            alarm.as_mut().reset(Instant::now() + at.since(now()));
            self.alarm_at = Some(at);
        }
        let alarm_is_set = self.alarm_at.is_some();
        let released = async {
            match &mut self.released {
                Some(released) => released.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            input = self.inputs.next(), if !self.dropped => RunHappening::RunInput(input),
            () = alarm, if alarm_is_set => {
                self.alarm_at = None;
                RunHappening::Timeout
            }
            Some(reply) = self.replies.next() => RunHappening::RunReply(reply),
            delay = released => RunHappening::Released(delay),
        }
    }

    fn hear(&mut self, now: Time, happening: RunHappening) {
        match happening {
            RunHappening::RunInput(Some(RunInput::Release)) => {
                self.release_at = None;
                self.lease.release(now);
            }
            RunHappening::RunInput(Some(RunInput::ReleaseAt(at))) => self.release_at = Some(at),
            RunHappening::RunInput(Some(RunInput::Abandon)) => self.lease.abandon(now),
            RunHappening::RunInput(None) => {
                self.dropped = true;
                // Nobody says any more whether a run had begun: the tick is not given back.
                match &self.cell {
                    Some(_) => self.lease.release(now),
                    None => self.lease.abandon(now),
                }
            }
            RunHappening::RunInput(Some(RunInput::Begin)) => self.lease.begin(now),
            RunHappening::RunInput(Some(RunInput::Miss)) => self.lease.miss(now),
            RunHappening::RunInput(Some(RunInput::Stall)) => self.lease.stall(now),
            RunHappening::RunInput(Some(RunInput::Tell(sender))) => self.waiting.push(sender),
            RunHappening::RunReply((request, reply)) => {
                self.lease.handle_reply(now, request, reply)
            }
            RunHappening::Released(Some(delay)) => self.lease.handle_message(now, delay),
            RunHappening::Released(None) => self.released = None,
            RunHappening::Timeout => {}
        }
    }

    fn overrun(&mut self) {
        self.overrun_at = None;
        self.lease.overrun();
        self.end_term();
        (self.sink)(RunChange::Overrun);
    }

    /// The time that the run was left is up.
    fn cut(&mut self, now: Time) {
        self.release_at = None;
        self.end_term();
        (self.sink)(RunChange::Cut);
        self.lease.release(now);
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.lease.poll_output() {
            match output {
                RunOutput::Send(request) => {
                    let answering = self.store.send_run(&self.resource, &request);
                    self.replies
                        .push(Box::pin(async move { (request, answering.await) }));
                }
                RunOutput::Granted(grant) => {
                    self.released = None;
                    self.turn = None;
                    self.overrun_at = self.max_run.map(|max_run| now() + max_run);
                    let cell = Arc::new(LeaseCell::new(grant.token, grant.step_down_at));
                    self.cell = Some(cell.clone());
                    (self.sink)(RunChange::Granted(cell));
                }
                RunOutput::Refused(refusal) => (self.sink)(RunChange::Refused(refusal)),
                RunOutput::Extended { step_down_at } => self.extend(step_down_at),
                RunOutput::LongRun { held } => (self.sink)(RunChange::LongRun(held)),
                RunOutput::Lost(end) => {
                    self.end_term();
                    (self.sink)(RunChange::Lost(end));
                }
                RunOutput::Released => {
                    self.end_term();
                    (self.sink)(RunChange::Released);
                }
                RunOutput::Ended => self.ended = true,
            }
        }
    }

    fn extend(&mut self, step_down_at: Time) {
        // A run that has lived for so long could outlive a hang.
        if let Some((heartbeat, timeout)) = self.stall.take() {
            heartbeat.watch(timeout, Arc::downgrade(&self.inputs));
        }
        let kept = self
            .cell
            .as_ref()
            .is_some_and(|cell| cell.extend(now(), step_down_at));
        if !kept {
            self.lease.handle_expired();
        }
    }

    fn end_term(&mut self) {
        self.overrun_at = None;
        if let Some(cell) = &self.cell {
            cell.end();
        }
    }
}

/// Waits until the caller wants the lease no more, whoever wants to know of the end.
async fn left(inputs: &Mailbox<RunInput>, waiting: &mut Vec<blocking::Sender<()>>) {
    loop {
        match inputs.next().await {
            Some(RunInput::Tell(sender)) => waiting.push(sender),
            Some(RunInput::Begin | RunInput::Stall | RunInput::Miss | RunInput::ReleaseAt(_)) => {}
            Some(RunInput::Release | RunInput::Abandon) | None => return,
        }
    }
}

impl fmt::Debug for RunLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunLoop")
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}
