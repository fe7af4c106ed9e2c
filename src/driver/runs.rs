//! The runs of this process, all in one task: a task for each, with a mailbox and a future for each answer, costs
//! more than all the rest of a run.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep};

use super::now;
use super::run::{Background, RunSlot, SlotStage};
use super::run_change::{RunInput, RunStart};
use super::run_inbox::RunInbox;
use crate::election::{Random, Time};

/// Tells each run what it is told, and when its time has come.
pub(super) struct Runs {
    background: Background,
    slots: HashMap<u64, RunSlot>,
    /// When which run wants to be called. What was set for earlier makes no other entry: one that rings too early is
    /// cheaper.
    alarms: BinaryHeap<Reverse<(Time, u64)>>,
    /// Who waits for the lease of which resource, first come, first served: it is the first one's turn.
    lines: HashMap<(usize, Arc<str>), VecDeque<u64>>,
    /// Those whose turn has come.
    turns: Vec<u64>,
}

impl Runs {
    pub fn new(inbox: Arc<RunInbox>) -> Self {
        Runs {
            background: Background {
                answers: inbox.clone(),
                inbox,
            },
            slots: HashMap::new(),
            alarms: BinaryHeap::new(),
            lines: HashMap::new(),
            turns: Vec::new(),
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
            RunInput::Start(start, random) => self.start(now, run, start, random),
            input => self.act(now, run, |slot, background| {
                slot.step(now, Some(input), background)
            }),
        }
        self.let_in(now);
    }

    fn start(&mut self, now: Time, run: u64, start: RunStart, random: Random) {
        let slot = RunSlot::new(run, start, random);
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
            let is_set = |slot: &&mut RunSlot| slot.alarm_at == Some(at);
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
    fn act(&mut self, now: Time, run: u64, act: impl FnOnce(&mut RunSlot, &Background)) {
        let Some(slot) = self.slots.get_mut(&run) else {
            return;
        };
        let waited = slot.stage() == SlotStage::Waiting;
        if catch_unwind(AssertUnwindSafe(|| act(slot, &self.background))).is_err() {
            // Its sink may be what breaks.
            let _ = catch_unwind(AssertUnwindSafe(|| slot.fail()));
        }
        let stage = slot.stage();
        let line = (waited && stage != SlotStage::Waiting).then(|| slot.line());
        if stage == SlotStage::Ended {
            self.slots.remove(&run);
            self.forget_alarms();
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

    /// One waits no more. It may be the next one's turn.
    fn leave(&mut self, line: (usize, Arc<str>), run: u64) {
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

    /// Forgets the alarms of runs that have ended, when they are more than the others.
    fn forget_alarms(&mut self) {
        if self.alarms.len() > 2 * self.slots.len() + FEW {
            let slots = &self.slots;
            self.alarms.retain(|Reverse((at, run))| {
                slots
                    .get(run)
                    .is_some_and(|slot| slot.alarm_at == Some(*at))
            });
        }
    }
}

const FEW: usize = 64;
/// So many are heard in one go.
const MANY: usize = 1_024;

#[cfg(test)]
mod tests;
