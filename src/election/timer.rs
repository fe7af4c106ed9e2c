use super::Time;

/// Every reason to wake up has a timer of its own, and only the event that it is about moves it: a
/// retry never pushes the step-down deadline away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The lease in hand is not held any more unless a renewal was confirmed.
    StepDown,
    /// The validity window of a lost lease ends.
    WindowEnd,
    /// Time for the next renewal.
    Renew,
    /// A renewal is late.
    RenewalLate,
    /// The work under a lease that somebody asked for has had its time.
    Aside,
    /// The pause after a failed command ends.
    Retry,
    /// Time for a standby's next poll.
    Poll,
    /// The random delay before a released record is taken ends.
    Takeover,
    /// The watched record has stood unchanged for longer than its ttl.
    Ripe,
    /// The pause after failed work ends.
    Rest,
    /// The store has not answered for so long that it is reported.
    Unavailable,
    /// The store has not answered for so long that an establishing caller is.
    Establish,
}

const TIMERS: [Timer; 12] = [
    Timer::StepDown,
    Timer::WindowEnd,
    Timer::Renew,
    Timer::RenewalLate,
    Timer::Aside,
    Timer::Retry,
    Timer::Poll,
    Timer::Takeover,
    Timer::Ripe,
    Timer::Rest,
    Timer::Unavailable,
    Timer::Establish,
];

#[derive(Clone, Debug, Default)]
pub(super) struct Timers([Option<Time>; TIMERS.len()]);

impl Timers {
    pub fn set(&mut self, timer: Timer, at: Time) {
        self.0[timer as usize] = Some(at);
    }

    pub fn clear(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub fn clear_all(&mut self) {
        *self = Timers::default();
    }

    pub fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    /// Whether the timer's time has come; if so it is cleared.
    pub fn take_due(&mut self, timer: Timer, now: Time) -> bool {
        let slot = &mut self.0[timer as usize];
        let due = slot.is_some_and(|at| at <= now);
        if due {
            *slot = None;
        }
        due
    }

    /// The timers whose time has come, in the order of their names above; they are cleared.
    pub fn take_all_due(&mut self, now: Time) -> impl Iterator<Item = Timer> + use<> {
        TIMERS
            .map(|timer| self.take_due(timer, now).then_some(timer))
            .into_iter()
            .flatten()
    }

    pub fn earliest(&self) -> Option<Time> {
        self.0.iter().flatten().min().copied()
    }
}
