use std::ops::Add;
use std::time::Duration;

/// A point on one process's monotonic clock, in microseconds since an arbitrary start.
///
/// It says nothing outside the process that read it. The driver reads it from a clock that counts
/// suspended time; the simulation makes it up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    pub const ZERO: Time = Time(0);

    pub const fn from_micros(micros: u64) -> Self {
        Time(micros)
    }

    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The latest multiple of `grid` that is not after it; itself where there is none.
    pub(super) const fn earlier_multiple_of(self, grid: Duration) -> Time {
        match self.0.checked_rem(grid.as_micros() as u64) {
            Some(over) => Time(self.0 - over),
            None => self,
        }
    }

    /// The time from `earlier` to here, zero when `earlier` is the later of the two.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, duration: Duration) -> Time {
        Time(
            self.0
                .saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)),
        )
    }
}
