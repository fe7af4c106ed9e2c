use std::fmt;
use std::sync::{Arc, Weak, mpsc as blocking};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use super::heartbeat::Served;
use super::metrics::{RUNS_HELD, Trying};
use super::run_change::{RunChange, RunInput, RunSink, RunStart};
use super::run_inbox::RunInbox;
use super::{Heartbeat, LeaseCell, now};
use crate::election::run::{Refusal, RunEnd, RunLease, RunOutput, RunRequest};
use crate::election::{Random, Reason, Time};
use crate::store::{RunAnswers, RunStore};

/// One run: its lease, and all around it.
///
/// It does nothing by itself, and is told the time: by [`Runs`](super::runs::Runs), of which it is one of many.
pub(super) struct RunSlot {
    run: u64,
    number: u64,
    lease: RunLease,
    store: Arc<dyn RunStore>,
    resource: Arc<str>,
    max_run: Option<Duration>,
    overrun_at: Option<Time>,
    /// When the lease is released under the run.
    release_at: Option<Time>,
    /// Until it is watched,
    stall: Option<(Heartbeat, Duration)>,
    /// and from then on.
    watched: Option<Arc<()>>,
    wait: Duration,
    await_release: bool,
    /// Somebody waits for the end of its release anyway.
    is_watched: bool,
    /// While others of this process wait before it: how long it waits.
    queued_until: Option<Time>,
    listening: Option<ReleaseListener>,
    /// Dropped with the run, for those who wait for its end.
    waiting: Vec<blocking::Sender<()>>,
    cell: Option<Arc<LeaseCell>>,
    /// Since when it has been held.
    held_since: Option<Time>,
    trying: Trying,
    /// The lease knows that the run has begun.
    begun: bool,
    sink: Arc<dyn RunSink>,
    stage: SlotStage,
    /// For when it is in the list of alarms.
    pub alarm_at: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotStage {
    /// It waits for the lease, in the line of those of this process that do.
    Waiting,
    Going,
    /// Nobody waits for its release any more, which is not confirmed yet.
    Owing,
    Ended,
}

/// What all runs share.
pub(super) struct Background {
    pub inbox: Arc<RunInbox>,
    pub answers: Arc<dyn RunAnswers>,
    /// What the run that does something wants sent.
    pub outbox: Vec<RunRequest>,
}

impl RunSlot {
    pub fn new(run: u64, start: RunStart, random: Random) -> Self {
        let (wait, await_release) = (start.config.wait, start.config.await_release);
        RunSlot {
            run,
            number: start.number,
            lease: RunLease::new(start.config, random),
            store: start.store,
            resource: start.resource,
            max_run: start.max_run,
            overrun_at: None,
            release_at: None,
            stall: start.stall,
            watched: None,
            wait,
            await_release,
            is_watched: false,
            queued_until: None,
            listening: None,
            waiting: Vec::new(),
            cell: None,
            held_since: None,
            trying: Trying::default(),
            begun: false,
            sink: start.sink,
            stage: match wait.is_zero() {
                true => SlotStage::Going,
                false => SlotStage::Waiting,
            },
            alarm_at: None,
        }
    }

    pub fn stage(&self) -> SlotStage {
        self.stage
    }

    /// Those that wait for the same stand in one line: by the address of the store, which lives as long as anybody
    /// waits, and the resource.
    pub fn line(&self) -> (usize, Arc<str>) {
        let address = Arc::as_ptr(&self.store).cast::<()>() as usize;
        (address, self.resource.clone())
    }

    /// Asks for the lease; or, where it waits for one, when [`RunSlot::take_turn`] says so.
    pub fn begin(&mut self, now: Time, background: &mut Background) {
        match self.stage {
            SlotStage::Waiting => {
                // Before the first question: a release in between must not be missed.
                let messages = self.store.subscribe_releases(&self.resource);
                self.listening = Some(ReleaseListener::start(
                    self.run,
                    messages,
                    background.inbox.clone(),
                ));
                self.queued_until = Some(now + self.wait);
            }
            SlotStage::Going | SlotStage::Owing | SlotStage::Ended => {
                self.lease.acquire(now);
                self.carry_out(now, background);
            }
        }
    }

    /// Nobody waits before it any more.
    pub fn take_turn(&mut self, now: Time, background: &mut Background) {
        if let Some(until) = self.queued_until.take() {
            self.lease.acquire_until(now, until);
            self.carry_out(now, background);
        }
    }

    /// Another run of this process is about to ask for the same lease.
    pub fn hasten(&mut self, now: Time, background: &mut Background) {
        self.lease.hasten(now);
        self.carry_out(now, background);
    }

    pub fn is_asking(&self) -> bool {
        self.lease.is_asking()
    }

    /// Its release may be lost, and is not on its way.
    pub fn may_be_hastened(&self) -> bool {
        self.stage == SlotStage::Owing && self.lease.has_to_repeat()
    }

    /// Sends what it wanted sent.
    pub fn send(&self, request: RunRequest, background: &Background) {
        let (run, answers) = (self.run, &background.answers);
        self.store.send_run(&self.resource, run, request, answers);
    }

    /// When [`RunSlot::step`] is to be called.
    pub fn next_timeout(&self) -> Option<Time> {
        let timeouts = [
            self.lease.poll_timeout(),
            self.overrun_at,
            self.release_at,
            self.queued_until,
        ];
        timeouts.into_iter().flatten().min()
    }

    /// Hears something, or that a time has come.
    pub fn step(&mut self, now: Time, input: Option<RunInput>, background: &mut Background) {
        if self.queued_until.is_some() {
            return self.step_queued(now, input);
        }
        // A wait can be late. The time goes first, as in an election.
        if self.lease.poll_timeout().is_some_and(|at| at <= now) {
            self.note_taken(now);
            self.lease.handle_timeout(now);
        }
        if self.overrun_at.is_some_and(|at| at <= now) {
            self.overrun();
        }
        if self.release_at.is_some_and(|at| at <= now) {
            self.cut(now);
        }
        if let Some(input) = input {
            self.hear(now, input);
        }
        self.carry_out(now, background);
    }

    fn step_queued(&mut self, now: Time, input: Option<RunInput>) {
        match input {
            Some(RunInput::Tell(sender)) => self.waiting.push(sender),
            Some(RunInput::Release | RunInput::Abandon) => {
                return self.refuse_queued(Refusal::Abandoned);
            }
            _ => {}
        }
        if self.queued_until.is_some_and(|until| until <= now) {
            self.refuse_queued(Refusal::Held);
        }
    }

    fn refuse_queued(&mut self, refusal: Refusal) {
        self.queued_until = None;
        self.stage = SlotStage::Ended;
        self.tell(RunChange::Refused(refusal));
    }

    fn hear(&mut self, now: Time, input: RunInput) {
        match input {
            RunInput::Answer(request, answer) => {
                self.trying.of_run(&request.command, &answer);
                self.lease.handle_reply(now, request, answer);
            }
            RunInput::Watch => self.is_watched = true,
            RunInput::Sent(id) => self.lease.handle_sent(now, id),
            RunInput::Release => {
                self.release_at = None;
                self.lease.release(now);
            }
            RunInput::ReleaseAt(at) => self.release_at = Some(at),
            RunInput::Abandon => self.lease.abandon(now),
            RunInput::Begin => {
                self.begun = true;
                self.lease.begin(now);
            }
            RunInput::Miss => self.lease.miss(now),
            RunInput::Stall => self.lease.stall(now),
            RunInput::Tell(sender) => self.waiting.push(sender),
            RunInput::Message(delay) if self.listening.is_some() => {
                self.lease.handle_message(now, delay);
            }
            RunInput::Message(_) | RunInput::Start(..) => {}
        }
    }

    /// Nothing is renewed that nobody has taken.
    fn note_taken(&mut self, now: Time) {
        if !self.begun
            && self
                .cell
                .as_ref()
                .is_some_and(|cell| cell.is_taken_in_time())
        {
            self.begun = true;
            self.lease.begin(now);
        }
    }

    fn overrun(&mut self) {
        self.overrun_at = None;
        self.lease.overrun();
        self.end_term();
        self.tell_end(RunChange::Overrun);
    }

    /// The time that the run was left is up.
    fn cut(&mut self, now: Time) {
        self.release_at = None;
        self.end_term();
        self.tell_end(RunChange::Cut);
        self.lease.release(now);
    }

    fn carry_out(&mut self, now: Time, background: &mut Background) {
        while let Some(output) = self.lease.poll_output() {
            match output {
                RunOutput::Send(request) => {
                    self.trying.sends(true);
                    background.outbox.push(request);
                }
                RunOutput::Granted(grant) => {
                    self.leave_line();
                    self.overrun_at = self.max_run.map(|max_run| now + max_run);
                    let cell = Arc::new(LeaseCell::new(grant.token, grant.step_down_at));
                    self.cell = Some(cell.clone());
                    self.held_since = Some(now);
                    self.tell(RunChange::Granted(cell));
                }
                RunOutput::Refused(refusal) => {
                    self.leave_line();
                    self.tell(RunChange::Refused(refusal));
                }
                RunOutput::Extended { step_down_at } => self.extend(now, step_down_at, background),
                RunOutput::LongRun { held } => self.tell(RunChange::LongRun(held)),
                RunOutput::Lost(end) => {
                    self.end_term();
                    self.tell_end(RunChange::Lost(end));
                }
                RunOutput::Released => {
                    self.end_term();
                    match self.await_release {
                        true => self.tell(RunChange::Released),
                        false => {
                            self.stage = SlotStage::Owing;
                            self.tell(RunChange::Sent);
                        }
                    }
                }
                RunOutput::Ended => {
                    match self.stage {
                        SlotStage::Owing if self.is_watched => self.tell(RunChange::Released),
                        SlotStage::Owing => self.sink.leave(self.number, RunChange::Released),
                        _ => {}
                    }
                    self.stage = SlotStage::Ended;
                }
            }
        }
    }

    /// It waits for the lease no more.
    fn leave_line(&mut self) {
        self.listening = None;
        if self.stage == SlotStage::Waiting {
            self.stage = SlotStage::Going;
        }
    }

    fn extend(&mut self, now: Time, step_down_at: Time, background: &Background) {
        // A run that has lived for so long could outlive a hang.
        if let Some((heartbeat, timeout)) = self.stall.take() {
            let alive = Arc::new(());
            let hanging = Hanging {
                run: self.run,
                alive: Arc::downgrade(&alive),
                inbox: background.inbox.clone(),
            };
            heartbeat.watch(timeout, hanging);
            self.watched = Some(alive);
        }
        let kept = self
            .cell
            .as_ref()
            .is_some_and(|cell| cell.extend(now, step_down_at));
        // Where its work is over, its release is about to be heard of, and is to be confirmed as any other.
        if !kept && !self.is_over() {
            self.lease.handle_expired();
        }
    }

    fn end_term(&mut self) {
        self.overrun_at = None;
        if let Some(since) = self.held_since.take() {
            RUNS_HELD.observe(now().since(since));
        }
        if let Some(cell) = &self.cell {
            cell.end();
        }
    }

    /// It broke: nothing follows.
    pub fn fail(&mut self) {
        let held = self.held_since.and(self.cell.clone());
        self.end_term();
        self.stage = SlotStage::Ended;
        if let Some(cell) = held {
            let (token, reason) = (cell.token(), Reason::Internal);
            self.tell_end(RunChange::Lost(RunEnd { token, reason }));
        }
        self.tell(RunChange::Failed);
    }

    /// How its term ended, unless its work was over under the lease and its release is still to be heard of.
    fn tell_end(&self, change: RunChange) {
        if !self.is_over() {
            self.tell(change);
        }
    }

    fn is_over(&self) -> bool {
        self.cell.as_ref().is_some_and(|cell| cell.is_over())
    }

    fn tell(&self, change: RunChange) {
        self.sink.tell(self.number, change);
    }
}

impl fmt::Debug for RunSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunSlot")
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// Hears the messages of releases for a run, until it is dropped.
struct ReleaseListener(JoinHandle<()>);

impl ReleaseListener {
    fn start(run: u64, mut messages: UnboundedReceiver<Duration>, inbox: Arc<RunInbox>) -> Self {
        ReleaseListener(tokio::spawn(async move {
            while let Some(delay) = messages.recv().await {
                inbox.put(run, RunInput::Message(delay));
            }
        }))
    }
}

impl Drop for ReleaseListener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A run that does not outlive its event loop's hang.
struct Hanging {
    run: u64,
    alive: Weak<()>,
    inbox: Arc<RunInbox>,
}

impl Served for Hanging {
    fn has_ended(&self) -> bool {
        self.alive.strong_count() == 0
    }

    fn tell(&self, hangs: bool) {
        // Once it is given up, a loop that turns again finds it lost.
        if hangs {
            self.inbox.put(self.run, RunInput::Stall);
        }
    }
}
