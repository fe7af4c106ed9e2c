//! The runs of this process, all in one task: a task for each, with a mailbox and a future for each answer, costs
//! more than all the rest of a run.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep};

use super::now;
use super::run::{Background, RunSlot, SlotStage};
use super::run_change::{RunInput, RunStart};
use super::run_inbox::RunInbox;
use crate::election::run::RunCommand;
use crate::election::{Random, Time};
use crate::store::Numbered;

/// What a lease that is asked for is owed by this process itself.
#[derive(Default)]
struct Owed {
    /// Whose release is not confirmed,
    by: Vec<u64>,
    /// and who has asked for the lease since.
    to: Vec<u64>,
}

/// The address of a store, and a resource in it.
type Line = (usize, Arc<str>);

/// Tells each run what it is told, and when its time has come.
pub(super) struct Runs {
    background: Background,
    /// Boxed: a run is moved once, and not with the table.
    slots: Numbered<u64, Box<RunSlot>>,
    /// When which run wants to be called. What was set for earlier makes no other entry: one that rings too early is
    /// cheaper.
    alarms: BinaryHeap<Reverse<(Time, u64)>>,
    /// Who waits for the lease of which resource, first come, first served: it is the first one's turn.
    lines: HashMap<Line, VecDeque<u64>>,
    /// Those whose turn has come.
    turns: Vec<u64>,
    /// Where the release of somebody is on its way while nobody waits for it.
    owed: HashMap<Line, Owed>,
}

impl Runs {
    pub fn new(inbox: Arc<RunInbox>) -> Self {
        Runs {
            background: Background {
                answers: inbox.clone(),
                inbox,
                outbox: Vec::new(),
            },
            slots: Numbered::default(),
            alarms: BinaryHeap::new(),
            lines: HashMap::new(),
            turns: Vec::new(),
            owed: HashMap::new(),
        }
    }

    pub async fn serve(mut self) {
        let inbox = self.background.inbox.clone();
        let mut alarm = pin!(sleep(Duration::ZERO));
        let mut set_for = None;
        let mut batch = Vec::new();
        loop {
            self.set(alarm.as_mut(), &mut set_for);
            tokio::select! {
                () = inbox.take(&mut batch) => {}
                () = &mut alarm, if set_for.is_some() => set_for = None,
            }
            // Behind the last that is heard and before the first that is sent: no window begins too early, and
            // nothing is believed for longer than it holds.
            let mut at = now();
            for (number, (run, input)) in batch.drain(..).enumerate() {
                if number % MANY == MANY - 1 {
                    // Elections and sockets share this thread.
                    yield_now().await;
                    at = now();
                }
                self.hear(at, run, input);
            }
            // What one burst took is not kept without end.
            batch.shrink_to(MANY);
            self.ring(at);
        }
    }

    /// Sets the alarm for who wants it first.
    fn set(&mut self, alarm: Pin<&mut Sleep>, set_for: &mut Option<Time>) {
        let Some(Reverse((at, _))) = self.alarms.peek().copied() else {
            return;
        };
        if set_for.is_none_or(|set| at < set) {
            alarm.reset(Instant::now() + at.since(now()));
            *set_for = Some(at);
        }
    }

    fn hear(&mut self, now: Time, run: u64, input: RunInput) {
        match input {
            RunInput::Start(start, seed) => {
                self.start(now, run, start, Random::from_seed(seed));
            }
            input => self.act(now, run, |slot, background| {
                slot.step(now, Some(input), background)
            }),
        }
        self.let_in(now);
    }

    fn start(&mut self, now: Time, run: u64, start: RunStart, random: Random) {
        let slot = Box::new(RunSlot::new(run, start, random));
        if slot.stage() == SlotStage::Waiting {
            let line = self.lines.entry(slot.line()).or_default();
            line.push_back(run);
            if line.len() == 1 {
                self.turns.push(run);
            }
        }
        self.slots.insert(run, slot);
        self.act(now, run, |slot, background| slot.begin(now, background));
    }

    /// Calls those whose time has come.
    fn ring(&mut self, now: Time) {
        while let Some(Reverse((at, run))) = self.alarms.peek().copied()
            && at <= now
        {
            self.alarms.pop();
            let is_set = |slot: &&mut Box<RunSlot>| slot.alarm_at == Some(at);
            if let Some(slot) = self.slots.get_mut(&run).filter(is_set) {
                slot.alarm_at = None;
                self.act(now, run, |slot, background| {
                    slot.step(now, None, background)
                });
                self.let_in(now);
            }
        }
    }

    /// Those that waited behind one who waits no more.
    fn let_in(&mut self, now: Time) {
        while let Some(run) = self.turns.pop() {
            self.act(now, run, |slot, background| slot.take_turn(now, background));
        }
    }

    /// Lets a run do something. A panic in it is that run's alone.
    fn act(&mut self, now: Time, run: u64, act: impl FnOnce(&mut RunSlot, &mut Background)) {
        let Some(slot) = self.slots.get_mut(&run) else {
            return;
        };
        let before = slot.stage();
        let acted = catch_unwind(AssertUnwindSafe(|| act(slot, &mut self.background)));
        let is_broken = acted.is_err() || self.send(now, run).is_err();
        let Some(slot) = self.slots.get_mut(&run) else {
            return;
        };
        if is_broken {
            // Its sink may be what breaks.
            let _ = catch_unwind(AssertUnwindSafe(|| slot.fail()));
        }
        let stage = slot.stage();
        let left = before == SlotStage::Waiting && stage != before;
        let line = left.then(|| slot.line());
        if before == SlotStage::Owing || stage == SlotStage::Owing {
            let line = slot.line();
            self.note_owing(now, line, run, stage);
        }
        let Some(slot) = self.slots.get_mut(&run) else {
            return;
        };
        if stage == SlotStage::Ended {
            self.slots.remove(&run);
            self.tidy();
        } else if let Some(at) = slot.next_timeout()
            && slot.alarm_at.is_none_or(|set| at < set)
        {
            // What is due already is done when all else is.
            slot.alarm_at = Some(at.max(now));
            self.alarms.push(Reverse((at.max(now), run)));
        }
        if let Some(line) = line {
            self.leave(line, run);
        }
    }

    /// Sends what a run wants sent; behind the releases of the same lease that may have been lost.
    fn send(&mut self, now: Time, run: u64) -> thread::Result<()> {
        let mut outbox = take(&mut self.background.outbox);
        let mut sent = Ok(());
        for request in outbox.drain(..) {
            if !self.owed.is_empty() && matches!(request.command, RunCommand::Acquire { .. }) {
                self.note_question(now, run);
            }
            if let Some(slot) = self.slots.get(&run) {
                let send = || slot.send(request, &self.background);
                sent = sent.and(catch_unwind(AssertUnwindSafe(send)));
            }
        }
        self.background.outbox = outbox;
        sent
    }

    /// A run is about to ask.
    fn note_question(&mut self, now: Time, run: u64) {
        let line = self.slots.get(&run).map(|slot| slot.line());
        let Some(owed) = line.and_then(|line| self.owed.get_mut(&line)) else {
            return;
        };
        if !owed.to.contains(&run) {
            owed.to.push(run);
        }
        for run in owed.by.clone() {
            self.hasten(now, run);
        }
    }

    fn note_owing(&mut self, now: Time, line: Line, run: u64, stage: SlotStage) {
        let owed = self.owed.entry(line.clone()).or_default();
        if stage != SlotStage::Owing {
            owed.by.retain(|other| *other != run);
            if owed.by.is_empty() {
                self.owed.remove(&line);
            }
            return;
        }
        if !owed.by.contains(&run) {
            owed.by.push(run);
        }
        // A question that waits for a connection would overtake what was lost with the last one.
        let slots = &self.slots;
        let asks = |run: &u64| slots.get(run).is_some_and(|slot| slot.is_asking());
        owed.to.retain(asks);
        if !owed.to.is_empty() {
            self.hasten(now, run);
        }
    }

    fn hasten(&mut self, now: Time, run: u64) {
        let slot = self.slots.get(&run);
        if slot.is_some_and(|slot| slot.may_be_hastened()) {
            self.act(now, run, |slot, background| slot.hasten(now, background));
        }
    }

    /// One waits no more. It may be the next one's turn.
    fn leave(&mut self, line: Line, run: u64) {
        let Some(waiting) = self.lines.get_mut(&line) else {
            return;
        };
        let was_first = waiting.front() == Some(&run);
        waiting.retain(|other| *other != run);
        match waiting.front() {
            Some(next) if was_first => self.turns.push(*next),
            Some(_) => {}
            None => drop(self.lines.remove(&line)),
        }
    }

    /// Forgets the alarms of runs that have ended, when they are more than the others, and gives back what a burst
    /// took.
    fn tidy(&mut self) {
        if self.slots.capacity() > MANY && self.slots.len() < self.slots.capacity() / 8 {
            self.slots.shrink_to(self.slots.len() * 2);
        }
        if self.alarms.len() > 2 * self.slots.len() + FEW {
            let slots = &self.slots;
            self.alarms.retain(|Reverse((at, run))| {
                slots
                    .get(run)
                    .is_some_and(|slot| slot.alarm_at == Some(*at))
            });
            self.alarms.shrink_to(2 * self.slots.len() + MANY);
        }
    }
}

const FEW: usize = 64;
/// So many are heard in one go.
const MANY: usize = 1_024;

#[cfg(test)]
mod tests;
