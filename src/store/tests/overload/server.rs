use std::collections::VecDeque;

use super::command::Played;

/// A store that does one command after the other, each in the same time, whether anybody still waits for
/// the answer or not.
#[derive(Default)]
pub struct Server {
    /// What has arrived, with the number of its connection.
    queue: VecDeque<(u64, Played)>,
    working: bool,
    hangs_until: u64,
}

impl Server {
    pub fn arrive(&mut self, connection: u64, command: Played) {
        self.queue.push_back((connection, command));
    }

    pub fn hang(&mut self, until: u64) {
        self.hangs_until = until;
    }

    /// When the next command is done, if there is one to begin with.
    pub fn begin(&mut self, now: u64, per_second: u64) -> Option<u64> {
        if self.working || self.queue.is_empty() {
            return None;
        }
        self.working = true;
        Some(now.max(self.hangs_until) + 1_000_000 / per_second)
    }

    pub fn finish(&mut self) -> Option<(u64, Played)> {
        self.working = false;
        self.queue.pop_front()
    }
}
