//! The loop that serves many in one task: what comes in the same moment is heard in one go, by one clock, and each is
//! called when its time has come.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep};

use super::alarms::{Alarms, MANY};
use super::inbox::Inbox;
use crate::election::Time;

pub(super) trait Serving {
    /// What one of them is told.
    type Input;

    fn inbox(&self) -> &Arc<Inbox<Self::Input>>;

    fn now(&self) -> Time;

    fn alarms(&mut self) -> &mut Alarms;

    /// For when the one alarm is set from here on, which is set for `set_for`.
    fn next_alarm(&mut self, set_for: Option<Time>) -> Option<Time>;

    /// Puts what has come in the order in which it is heard.
    fn put_in_order(_: &mut Vec<(u64, Self::Input)>) {}

    fn hear(&mut self, now: Time, number: u64, input: Self::Input);

    /// An alarm of one of them rings, though maybe not the last that it set.
    fn ring(&mut self, now: Time, number: u64, set_for: Time);

    async fn serve(mut self)
    where
        Self: Sized,
    {
        let inbox = self.inbox().clone();
        let mut alarm = pin!(sleep(Duration::ZERO));
        let mut set_for = None;
        let mut batch = Vec::new();
        loop {
            set(&mut self, alarm.as_mut(), &mut set_for);
            tokio::select! {
                // What has come is heard before anybody's time is said to be over.
                biased;
                () = inbox.take(&mut batch) => {}
                () = &mut alarm, if set_for.is_some() => set_for = None,
            }
            Self::put_in_order(&mut batch);
            // Behind the last that is heard and before the first that is sent: no window begins too early, and
            // nothing is believed for longer than it holds.
            let mut at = self.now();
            for (count, (number, input)) in batch.drain(..).enumerate() {
                if count % AT_A_TIME == AT_A_TIME - 1 {
                    // Elections, runs and sockets share this thread.
                    yield_now().await;
                    at = self.now();
                }
                self.hear(at, number, input);
            }
            // What one burst took is not kept without end.
            batch.shrink_to(MANY);
            for count in 1.. {
                let Some((set_for, number)) = self.alarms().pop_due(at) else {
                    break;
                };
                self.ring(at, number, set_for);
                if count == AT_A_TIME {
                    // The rest of a crowd whose time is over is called when the others have had their turn.
                    yield_now().await;
                    break;
                }
            }
        }
    }
}

/// So many do something before the others of this thread have their turn: a millisecond, or ten where ten processes
/// share a processor.
const AT_A_TIME: usize = 256;

/// Sets the alarm for who wants it first.
fn set(served: &mut impl Serving, alarm: Pin<&mut Sleep>, set_for: &mut Option<Time>) {
    let next = served.next_alarm(*set_for);
    if next != *set_for
        && let Some(at) = next
    {
        alarm.reset(Instant::now() + at.since(served.now()));
    }
    *set_for = next;
}
