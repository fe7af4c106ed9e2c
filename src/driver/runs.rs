//! The runs of this process, all in one task: a task for each, with a mailbox and a future for each answer, costs
//! more than all the rest of a run.

use std::collections::{HashMap, VecDeque};
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use super::alarms::{Alarms, MANY};
use super::now;
use super::run::{Background, RunSlot, SlotStage};
use super::run_change::{RunInput, RunStart};
use super::run_inbox::RunInbox;
use super::serving::Serving;
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
    /// What was set for earlier makes no other entry: one that rings too early is cheaper.
    alarms: Alarms,
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
            alarms: Alarms::default(),
            lines: HashMap::new(),
            turns: Vec::new(),
            owed: HashMap::new(),
        }
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
            let at = at.max(now);
            slot.alarm_at = Some(at);
            self.alarms.set(at, run);
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

    /// Gives back what a burst took.
    fn tidy(&mut self) {
        if self.slots.capacity() > MANY && self.slots.len() < self.slots.capacity() / 8 {
            self.slots.shrink_to(self.slots.len() * 2);
        }
        let slots = &self.slots;
        let is_set = |at, run| {
            slots
                .get(&run)
                .is_some_and(|slot| slot.alarm_at == Some(at))
        };
        self.alarms.tidy(slots.len(), is_set);
    }
}

impl Serving for Runs {
    type Input = RunInput;

    fn inbox(&self) -> &Arc<RunInbox> {
        &self.background.inbox
    }

    fn now(&self) -> Time {
        now()
    }

    fn alarms(&mut self) -> &mut Alarms {
        &mut self.alarms
    }

    fn next_alarm(&mut self, set_for: Option<Time>) -> Option<Time> {
        let times = [self.alarms.earliest(), set_for];
        times.into_iter().flatten().min()
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

    fn ring(&mut self, now: Time, run: u64, set_for: Time) {
        let slot = self.slots.get_mut(&run);
        if let Some(slot) = slot.filter(|slot| slot.alarm_at == Some(set_for)) {
            slot.alarm_at = None;
            self.act(now, run, |slot, background| {
                slot.step(now, None, background)
            });
            self.let_in(now);
        }
    }
}

#[cfg(test)]
mod tests;
