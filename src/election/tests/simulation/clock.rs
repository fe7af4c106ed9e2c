use crate::election::Time;

/// A candidate's monotonic clock: some offset, and a rate that is off by some millionths.
#[derive(Clone, Copy, Debug)]
pub struct LocalClock {
    pub offset: u64,
    /// Local microseconds per million true ones.
    pub rate: u64,
}

impl LocalClock {
    pub fn local(&self, at: u64) -> Time {
        Time::from_micros(self.offset + at * self.rate / 1_000_000)
    }

    /// The first true time at which this clock shows `local`.
    pub fn when(&self, local: Time) -> u64 {
        let elapsed = local.as_micros().saturating_sub(self.offset);
        (elapsed * 1_000_000).div_ceil(self.rate)
    }
}

#[test]
fn a_clock_shows_a_time_first_when_it_says() {
    for rate in [950_000, 990_000, 1_000_000, 1_010_000, 1_050_000] {
        let clock = LocalClock { offset: 77, rate };
        for micros in [77, 78, 1_000, 5_000_123, 900_000_007] {
            let at = clock.when(Time::from_micros(micros));
            assert!(clock.local(at).as_micros() >= micros);
            assert!(at == 0 || clock.local(at - 1).as_micros() < micros);
        }
    }
}
