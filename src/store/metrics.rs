use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What is counted of one connection, from the first use of its store on. Nothing waits for a counter, and none is
/// read to decide anything.
#[derive(Debug, Default)]
pub(super) struct ConnectionMetrics {
    is_open: AtomicU64,
    opened: AtomicU64,
    lost: AtomicU64,
    not_opened: AtomicU64,
    messages: AtomicU64,
    waiting: AtomicU64,
    not_sent: AtomicU64,
}

impl ConnectionMetrics {
    pub fn note_opened(&self) {
        self.is_open.store(1, Relaxed);
        self.opened.fetch_add(1, Relaxed);
    }

    /// Nobody needed it any more.
    pub fn note_closed(&self) {
        self.is_open.store(0, Relaxed);
    }

    pub fn note_lost(&self) {
        self.is_open.store(0, Relaxed);
        self.lost.fetch_add(1, Relaxed);
    }

    pub fn note_not_opened(&self) {
        self.not_opened.fetch_add(1, Relaxed);
    }

    pub fn note_message(&self) {
        self.messages.fetch_add(1, Relaxed);
    }

    /// So many commands wait to be sent.
    pub fn note_waiting(&self, waiting: usize) {
        self.waiting.store(waiting as u64, Relaxed);
    }

    /// A command came to its end unsent.
    pub fn note_not_sent(&self) {
        self.not_sent.fetch_add(1, Relaxed);
    }

    /// In the order in which they stand above.
    pub fn read(&self) -> [u64; 7] {
        [
            &self.is_open,
            &self.opened,
            &self.lost,
            &self.not_opened,
            &self.messages,
            &self.waiting,
            &self.not_sent,
        ]
        .map(|counter| counter.load(Relaxed))
    }
}
