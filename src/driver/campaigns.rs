//! The campaigns of this process, all in one task: what is due in the same moment is asked with one write, and what
//! comes in the same moment is heard in one go, by one clock.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep};

use super::alarms::Alarms;
use super::campaign::{CampaignBackground, CampaignHappening, CampaignInbox, CampaignSlot};
use crate::election::Time;
use crate::store::Numbered;

/// Tells each campaign what it is told, and when its time has come.
pub(super) struct ServedCampaigns {
    background: CampaignBackground,
    slots: Numbered<u64, Box<CampaignSlot>>,
    alarms: Alarms,
    clock: fn() -> Time,
}

impl ServedCampaigns {
    pub fn new(inbox: Arc<CampaignInbox>, clock: fn() -> Time) -> Self {
        ServedCampaigns {
            background: CampaignBackground {
                answers: inbox.clone(),
                inbox,
            },
            slots: Numbered::default(),
            alarms: Alarms::default(),
            clock,
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
            put_asked_first(&mut batch);
            // Behind the last that is heard and before the first that is sent: no window begins too early, and
            // nothing is believed for longer than it holds.
            let mut at = (self.clock)();
            for (count, (number, happening)) in batch.drain(..).enumerate() {
                if count % MANY == MANY - 1 {
                    // Runs and sockets share this thread.
                    yield_now().await;
                    at = (self.clock)();
                }
                match happening {
                    CampaignHappening::Start(slot) => drop(self.slots.insert(number, slot)),
                    happening => self.step(at, number, Some(happening)),
                }
            }
            // What one burst took is not kept without end.
            batch.shrink_to(MANY);
            self.ring(at);
        }
    }

    /// Sets the alarm for who wants it first.
    fn set(&mut self, alarm: Pin<&mut Sleep>, set_for: &mut Option<Time>) {
        let slots = &self.slots;
        let first = self.alarms.first(|at, number| is_set(slots, at, number));
        if first != *set_for
            && let Some(at) = first
        {
            alarm.reset(Instant::now() + at.since((self.clock)()));
        }
        *set_for = first;
    }

    /// Calls those whose time has come.
    fn ring(&mut self, now: Time) {
        while let Some((at, number)) = self.alarms.pop_due(now) {
            let slot = self.slots.get_mut(&number);
            if let Some(slot) = slot.filter(|slot| slot.alarm_at == Some(at)) {
                slot.alarm_at = None;
                self.step(now, number, None);
            }
        }
    }

    /// Lets a campaign do something. A panic in it is that campaign's alone.
    fn step(&mut self, now: Time, number: u64, happening: Option<CampaignHappening>) {
        let Some(slot) = self.slots.get_mut(&number) else {
            return;
        };
        let step = || slot.step(now, happening, &self.background);
        let is_broken = catch_unwind(AssertUnwindSafe(step)).is_err();
        if is_broken {
            // Its sink may be what breaks.
            let _ = catch_unwind(AssertUnwindSafe(|| slot.fail()));
        }
        if is_broken || slot.has_ended() {
            self.slots.remove(&number);
        } else {
            // What is due already is done when all else is.
            let at = slot.next_timeout().map(|at| at.max(now));
            if at == slot.alarm_at {
                return;
            }
            slot.alarm_at = at;
            if let Some(at) = at {
                self.alarms.set(at, number);
            }
        }
        let slots = &self.slots;
        let is_set = |at, number| is_set(slots, at, number);
        self.alarms.tidy(slots.len(), is_set);
    }
}

fn is_set(slots: &Numbered<u64, Box<CampaignSlot>>, at: Time, number: u64) -> bool {
    let slot = slots.get(&number);
    slot.is_some_and(|slot| slot.alarm_at == Some(at))
}

/// What the outside asked for comes before what the store says: a resign that is under way here must not be
/// overtaken by a grant.
fn put_asked_first(batch: &mut Vec<(u64, CampaignHappening)>) {
    if batch.iter().any(|(_, happening)| !happening.is_of_store()) {
        let of_store: Vec<_> = batch
            .extract_if(.., |(_, happening)| happening.is_of_store())
            .collect();
        batch.extend(of_store);
    }
}

/// So many are heard in one go.
const MANY: usize = 1_024;

#[cfg(test)]
mod tests;
