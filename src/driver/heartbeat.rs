use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::metrics::LOOP_DELAYS;
use super::{now, runtime};
use crate::election::Time;

/// The life of one event loop, asked for from the background: a ping now and then, which the loop
/// answers when it turns. Leases whose loop has not turned for their stall timeout are given up.
/// There is one for all leases of a loop.
///
/// The time is counted in turns of the thread that asks, each for its nominal length at most: where
/// the whole process stood still that thread did too, and the loop is not to blame.
#[derive(Clone)]
pub struct Heartbeat(Arc<Pulse>);

struct Pulse {
    ping: Box<dyn Fn() + Send + Sync>,
    /// How many pings were sent, and how many had been when the loop last answered.
    pinged: AtomicU64,
    answered: AtomicU64,
    /// When the last ping was sent, in microseconds of the driver's clock.
    pinged_at: AtomicU64,
    /// As the loop last said: however long it stands still now, it does not hang.
    excused: AtomicBool,
    watched: Mutex<Vec<Watched>>,
    /// Wakes the ticker: a lease came, or the loop turned that one was given up for.
    wake: Arc<Notify>,
}

/// A lease that does not outlive its loop's hang.
struct Watched {
    timeout: Duration,
    served: Box<dyn Served>,
    suspended: bool,
}

/// The way to what keeps a lease for a loop; no handle of it, so that it can end.
pub(super) trait Served: Send {
    fn has_ended(&self) -> bool;
    /// The loop hangs, or turns again.
    fn tell(&self, hangs: bool);
}

/// How many pings are sent in a stall timeout: a hang is noticed so much of it late at most.
const PINGS: u32 = 8;

impl Heartbeat {
    /// Starts asking, with the first lease: `ping` is to reach the loop, which then calls
    /// [`Heartbeat::beat`]. It must not block. Ends with the last clone.
    ///
    /// # Errors
    ///
    /// When the runtime cannot be had.
    pub fn start(ping: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let heartbeat = Heartbeat::idle(ping);
        let ticker = tick(Arc::downgrade(&heartbeat.0), heartbeat.0.wake.clone());
        runtime()?.spawn(ticker);
        Ok(heartbeat)
    }

    fn idle(ping: impl Fn() + Send + Sync + 'static) -> Self {
        Heartbeat(Arc::new(Pulse {
            ping: Box::new(ping),
            pinged: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            pinged_at: AtomicU64::new(0),
            excused: AtomicBool::new(false),
            watched: Mutex::default(),
            wake: Arc::default(),
        }))
    }

    /// The loop turns. `excused` where standing still from here on would not be a hang.
    pub fn beat(&self, excused: bool) {
        let pulse = &self.0;
        pulse.excused.store(excused, Ordering::Relaxed);
        let pinged = pulse.pinged.load(Ordering::Acquire);
        if pulse.answered.swap(pinged, Ordering::AcqRel) != pinged {
            let pinged_at = Time::from_micros(pulse.pinged_at.load(Ordering::Relaxed));
            LOOP_DELAYS.observe(now().since(pinged_at));
        }
        if pulse.watched().iter().any(|watched| watched.suspended) {
            pulse.wake.notify_one();
        }
    }

    pub(super) fn watch(&self, timeout: Duration, served: impl Served + 'static) {
        self.0.watched().push(Watched {
            timeout,
            served: Box::new(served),
            suspended: false,
        });
        self.0.wake.notify_one();
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat").finish_non_exhaustive()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

impl Pulse {
    /// Nothing is left half-written under this lock, so a panic elsewhere does not spoil it.
    fn watched(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long to wait before the next ping; `None` while nobody needs to know.
    fn interval(&self) -> Option<Duration> {
        let mut watched = self.watched();
        watched.retain(|watched| !watched.served.has_ended());
        watched.iter().map(|watched| watched.timeout / PINGS).min()
    }

    fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Acquire) >= self.pinged.load(Ordering::Acquire)
    }

    fn ping(&self) {
        self.pinged_at.store(now().as_micros(), Ordering::Relaxed);
        self.pinged.fetch_add(1, Ordering::AcqRel);
        (self.ping)();
    }

    /// The loop has not turned for so long; zero when it has.
    fn tell(&self, silent: Duration) {
        for watched in self.watched().iter_mut() {
            let suspended = silent >= watched.timeout;
            if suspended != watched.suspended {
                watched.suspended = suspended;
                watched.served.tell(suspended);
            }
        }
    }
}

/// Asks, waits and counts, until the last heartbeat is gone.
async fn tick(pulse: Weak<Pulse>, wake: Arc<Notify>) {
    let mut silent = Duration::ZERO;
    loop {
        let Some(interval) = pulse.upgrade().map(|pulse| pulse.interval()) else {
            return;
        };
        let waited = match interval {
            None => {
                wake.notified().await;
                false
            }
            Some(interval) => {
                let mut pause = pin!(sleep(interval));
                tokio::select! {
                    () = &mut pause => true,
                    () = wake.notified() => false,
                }
            }
        };
        let Some(pulse) = pulse.upgrade() else {
            return;
        };
        if pulse.has_answered() {
            silent = Duration::ZERO;
            pulse.tell(silent);
            if waited {
                pulse.ping();
            }
        } else if waited && !pulse.excused.load(Ordering::Relaxed) {
            // However much later it is: what a frozen process missed does not count.
            silent += interval.unwrap_or_default();
            pulse.tell(silent);
        }
    }
}

#[cfg(test)]
mod tests;
