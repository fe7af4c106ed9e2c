//! The only clocks of this crate.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::election::Time;

/// The present time, on a clock that goes on while the machine sleeps.
///
/// `CLOCK_MONOTONIC` stands still during a suspend on Linux, and a lease would survive it;
/// `CLOCK_BOOTTIME` does not. On macOS it is `CLOCK_MONOTONIC` that goes on.
#[cfg(unix)]
#[expect(
    clippy::disallowed_methods,
    reason = "this is where the clock is read for everybody"
)]
pub fn now() -> Time {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: ClockId = ClockId::Monotonic;

    let time = clock_gettime(CLOCK);
    Time::from_micros(time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000)
}

/// The present time, on a clock that goes on while the machine sleeps: on Windows std's does.
#[cfg(not(unix))]
#[expect(
    clippy::disallowed_methods,
    reason = "this is where the clock is read for everybody"
)]
pub fn now() -> Time {
    use std::sync::OnceLock;
    use std::time::Instant;

    static START: OnceLock<Instant> = OnceLock::new();
    let start = *START.get_or_init(Instant::now);
    Time::from_micros(start.elapsed().as_micros() as u64)
}

/// The wall clock in microseconds since 1970, which judges no lease: a store in memory mints its
/// tokens from it, as Redis does from its own.
#[expect(
    clippy::disallowed_methods,
    reason = "this is where the clock is read for everybody"
)]
pub fn wall_micros() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |since| since.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::now;

    #[test]
    fn it_does_not_go_back() {
        let earlier = now();
        assert!(now() >= earlier);
    }

    /// No test can suspend the machine, but a time namespace can put the two clocks as far apart as
    /// a suspend does: this test runs itself in one.
    #[cfg(target_os = "linux")]
    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock that was not chosen, to compare"
    )]
    fn it_counts_the_time_in_which_the_machine_slept() {
        use std::process::Command;
        use std::time::Duration;

        use rustix::time::{ClockId, clock_gettime};

        use crate::election::Time;

        const WITHIN: &str = "PRIMARY_LEASE_TEST_SLEPT";
        const SLEPT: u64 = 1_000_000;
        if std::env::var_os(WITHIN).is_some() {
            let monotonic = clock_gettime(ClockId::Monotonic).tv_sec as u64;
            let awake = Time::from_micros(monotonic * 1_000_000);
            assert!(now().since(awake) >= Duration::from_secs(SLEPT));
            return;
        }
        let name = "driver::clock::tests::it_counts_the_time_in_which_the_machine_slept";
        let seconds = SLEPT.to_string();
        let output = Command::new("unshare")
            .args(["--time", "--boottime", &seconds, "--"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(WITHIN, "1")
            .output();
        // Only root may make one, and not in every container.
        match output {
            Ok(output) if String::from_utf8_lossy(&output.stdout).contains("running 1 test") => {
                assert!(output.status.success(), "{output:?}");
            }
            unable => eprintln!("skipped, no time namespace can be had: {unable:?}"),
        }
    }
}
