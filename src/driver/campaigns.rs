//! The campaigns of this process, all in one task: what is due in the same moment is asked with one write, and what
//! comes in the same moment is heard in one go, by one clock.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::alarms::Alarms;
use super::campaign::{CampaignBackground, CampaignHappening, CampaignInbox, CampaignSlot};
use super::serving::Serving;
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

impl Serving for ServedCampaigns {
    type Input = CampaignHappening;

    fn inbox(&self) -> &Arc<CampaignInbox> {
        &self.background.inbox
    }

    fn now(&self) -> Time {
        (self.clock)()
    }

    fn alarms(&mut self) -> &mut Alarms {
        &mut self.alarms
    }

    /// Nobody is woken for what is no longer set.
    fn next_alarm(&mut self, _: Option<Time>) -> Option<Time> {
        let slots = &self.slots;
        self.alarms.first(|at, number| is_set(slots, at, number))
    }

    fn put_in_order(batch: &mut Vec<(u64, CampaignHappening)>) {
        put_asked_first(batch);
    }

    fn hear(&mut self, now: Time, number: u64, happening: CampaignHappening) {
        match happening {
            CampaignHappening::Start(slot) => drop(self.slots.insert(number, slot)),
            happening => self.step(now, number, Some(happening)),
        }
    }

    fn ring(&mut self, now: Time, number: u64, set_for: Time) {
        let slot = self.slots.get_mut(&number);
        if let Some(slot) = slot.filter(|slot| slot.alarm_at == Some(set_for)) {
            slot.alarm_at = None;
            self.step(now, number, None);
        }
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

#[cfg(test)]
mod tests;
