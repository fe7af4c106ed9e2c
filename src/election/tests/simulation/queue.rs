use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::candidate::Envelope;
use crate::election::{Failure, Message, Reply, Time, Token, Version};

/// What happens at some time.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A request arrives at a Redis server.
    Arrive {
        envelope: Envelope,
        node: usize,
    },
    /// With WAIT: the replicas have had the time to confirm a write.
    Confirm {
        envelope: Envelope,
        /// Which master wrote it; none where that was an old one.
        reign: Option<u64>,
        reply: Reply,
    },
    /// The new connection of a candidate is open: it subscribes.
    Connected {
        to: Address,
        connection: u32,
    },
    ToCandidate {
        to: Address,
        what: Delivery,
    },
    Wake {
        to: Address,
    },
    /// An event loop that hung turns again.
    Turn {
        to: Address,
    },
    Restart {
        who: usize,
    },
    Campaign {
        to: Address,
    },
    Resign {
        to: Address,
    },
    /// Somebody asks a primary to resign.
    Ask {
        token: Option<Token>,
    },
    /// The work under a lease that somebody asked for has stopped.
    StepAside {
        to: Address,
        token: Token,
    },
    /// The user of a candidate looks at its lease.
    Look {
        to: Address,
    },
    /// A write of a user arrives at the fenced resource.
    Write {
        from: Address,
        token: Token,
    },
    /// A forger publishes something.
    Forged {
        node: usize,
        message: Message,
    },
    /// A fault of the schedule, by its place there.
    Fault(usize),
    /// A fault with a duration ends.
    Heal(Heal),
    /// The step-down deadline and the worst lateness have passed.
    CheckDeadline {
        to: Address,
        token: Token,
        deadline: Time,
    },
    /// By now a caller that resigned must have been answered.
    CheckLeft {
        to: Address,
        deadline: Time,
    },
    /// A standby's watch is ripe, and some: the version must have changed.
    CheckTakeover {
        to: Address,
        version: Version,
        since: u64,
        why: &'static str,
    },
    Calm,
    CheckElected,
}

/// One life of one candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    pub who: usize,
    pub life: u32,
}

/// What reaches a candidate, or waits until it is no longer frozen.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are replies and messages"
)]
pub enum Delivery {
    Reply {
        envelope: Envelope,
        answer: Result<Reply, Failure>,
        /// It comes although the request was given up, or answered before.
        stray: bool,
    },
    /// The server closed the connection.
    Reset {
        connection: u32,
    },
    /// The request's bound is over.
    Overdue {
        id: u64,
        connection: u32,
    },
    Message {
        connection: u32,
        message: Message,
        /// No write published it.
        forged: bool,
    },
    Timer {
        generation: u64,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Heal {
    /// The old master of a split stops answering.
    Split { node: usize },
    /// A candidate learns of the new master.
    Route { who: usize },
}

struct Entry {
    at: u64,
    order: u64,
    happening: Happening,
}

/// What is to happen, in order of time, then of insertion.
#[derive(Default)]
pub struct Queue {
    heap: BinaryHeap<Entry>,
    inserted: u64,
}

impl Queue {
    pub fn push(&mut self, at: u64, happening: Happening) {
        self.inserted += 1;
        let order = self.inserted;
        self.heap.push(Entry {
            at,
            order,
            happening,
        });
    }

    pub fn pop(&mut self) -> Option<(u64, Happening)> {
        self.heap.pop().map(|entry| (entry.at, entry.happening))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Entry {}
