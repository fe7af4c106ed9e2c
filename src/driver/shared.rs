use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::WeakUnboundedSender;

use super::heartbeat::Served;
use super::metrics::MARGINS;
use super::{LeaseCell, now};
use crate::election::{Grant, Reason, Time, Token};

/// What the outside asks of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CampaignInput {
    Establish {
        number: u64,
    },
    Listen(bool),
    /// The work under the lease with this token failed.
    Fail {
        token: Token,
        others_work: bool,
    },
    /// The work under the lease with this token, which was asked for, has stopped.
    StepAside {
        token: Token,
    },
    /// The lease is let go at this time, if it is not before.
    Drain {
        until: Time,
    },
    Resign {
        reason: Reason,
        number: u64,
    },
    /// The event loop that the campaign serves hangs.
    Suspend,
    /// It turns again.
    Resume,
}

impl Served for WeakUnboundedSender<CampaignInput> {
    fn has_ended(&self) -> bool {
        self.strong_count() == 0
    }

    fn tell(&self, hangs: bool) {
        if let Some(inputs) = self.upgrade() {
            // A broken loop has said so, and answers nobody any more.
            let _ = inputs.send(if hangs {
                CampaignInput::Suspend
            } else {
                CampaignInput::Resume
            });
        }
    }
}

/// What a handle and its loop share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    cell: Mutex<Option<Arc<LeaseCell>>>,
    pub(super) establishes: AtomicU64,
    /// The number of the latest resign that was asked for.
    asked: AtomicU64,
    /// The number of the latest resign of which nothing is on its way any more.
    ended: Mutex<u64>,
    ending: Condvar,
    ttl: Duration,
    /// Of the last term, in microseconds: when it began, when it ended (0 before that), and what was left to its
    /// step-down deadline as the last renewal was confirmed.
    term_began: AtomicU64,
    term_ended: AtomicU64,
    margin: AtomicU64,
}

impl Shared {
    pub(super) fn new(ttl: Duration) -> Self {
        Shared {
            ttl,
            ..Shared::default()
        }
    }

    /// The cell of a new term; dead from the start if a resign was asked for that the loop has not
    /// heard of yet.
    pub(super) fn begin_term(&self, grant: Grant, heard: u64) -> Arc<LeaseCell> {
        let mut present = lock(&self.cell);
        let cell = Arc::new(LeaseCell::new(grant.token, grant.step_down_at));
        if self.resign_asked_after(heard) {
            cell.end();
        }
        *present = Some(cell.clone());
        self.term_began.store(now().as_micros(), Ordering::Relaxed);
        self.term_ended.store(0, Ordering::Relaxed);
        self.margin.store(0, Ordering::Relaxed);
        cell
    }

    pub(super) fn end_term(&self) -> Option<Token> {
        let cell = lock(&self.cell).take()?;
        cell.end();
        self.term_ended.store(now().as_micros(), Ordering::Relaxed);
        Some(cell.token())
    }

    pub(super) fn extend_term(&self, now: Time, held_until: Time) -> bool {
        lock(&self.cell).as_ref().is_none_or(|cell| {
            let left = cell.remaining(now);
            let kept = cell.extend(now, held_until);
            if kept {
                MARGINS.observe_share(left, self.ttl);
                self.margin
                    .store(left.as_micros() as u64, Ordering::Relaxed);
            }
            kept
        })
    }

    /// How long the last term lasted, or has by now.
    pub(super) fn term(&self) -> Duration {
        let ended = match self.term_ended.load(Ordering::Relaxed) {
            0 => now(),
            ended => Time::from_micros(ended),
        };
        match self.term_began.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            began => ended.since(Time::from_micros(began)),
        }
    }

    /// What was left to the step-down deadline of the last term as its last renewal was confirmed; zero before that.
    pub(super) fn margin(&self) -> Duration {
        Duration::from_micros(self.margin.load(Ordering::Relaxed))
    }

    pub(super) fn resign_asked_after(&self, heard: u64) -> bool {
        self.asked.load(Ordering::Acquire) > heard
    }

    pub(super) fn end_resign(&self, number: u64) {
        *lock(&self.ended) = number;
        self.ending.notify_all();
    }

    pub(super) fn end_lease(&self) {
        if let Some(cell) = lock(&self.cell).as_ref() {
            cell.end();
        }
    }

    pub(super) fn begin_resign(&self) -> u64 {
        let cell = lock(&self.cell);
        if let Some(cell) = cell.as_ref() {
            cell.end();
        }
        // Under the lock, so that a term which begins now is seen here or sees this.
        self.asked.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub(super) fn fail(&self) -> Option<Token> {
        self.end_resign(u64::MAX);
        self.end_term()
    }

    pub(super) fn wait_ended(&self, number: u64, until: Time) -> bool {
        let mut ended = lock(&self.ended);
        while *ended < number {
            let remaining = until.since(now());
            if remaining.is_zero() {
                return false;
            }
            ended = self
                .ending
                .wait_timeout(ended, remaining)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}

/// Nothing is left half-written under these locks, so a panic elsewhere does not spoil them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
