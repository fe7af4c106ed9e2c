use crate::election::Time;

/// As in an election, every reason to wake up has a timer of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct RunTimers {
    /// A store that does not answer is waited for no longer.
    pub give_up: Option<Time>,
    /// Time to ask again: after a failure, or where another's lease may have ended.
    pub again: Option<Time>,
    /// Time to ask because of a message: a release was heard of.
    pub heard: Option<Time>,
    /// Time for the next renewal.
    pub renew: Option<Time>,
    /// The lease in hand is not held any more unless a renewal was confirmed.
    pub step_down: Option<Time>,
    /// The window of a lease that is on its way back ends: nobody is kept waiting for its release.
    pub window_end: Option<Time>,
    /// A release that is not confirmed is sent no more: the lease has run out by itself.
    pub moot: Option<Time>,
    /// A run that nothing bounds is long by now.
    pub long: Option<Time>,
}

impl RunTimers {
    pub fn earliest(&self) -> Option<Time> {
        let all = [
            self.give_up,
            self.again,
            self.heard,
            self.renew,
            self.step_down,
            self.window_end,
            self.moot,
            self.long,
        ];
        all.into_iter().flatten().min()
    }

    pub fn clear(&mut self) {
        *self = RunTimers::default();
    }
}

/// Whether the time of this timer has come; if so it is cleared.
pub(super) fn take_due(timer: &mut Option<Time>, now: Time) -> bool {
    let due = timer.is_some_and(|at| at <= now);
    if due {
        *timer = None;
    }
    due
}
