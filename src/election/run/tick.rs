use std::time::Duration;

/// One tick of a schedule, the same on all servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tick {
    pub name: TickName,
    /// For how long it is remembered that it was granted.
    pub memory: Duration,
    /// Until when it is still this tick that is asked for, where another was granted it and had not begun: on the
    /// store's clock, in microseconds since 1970. The present tick is another one after that.
    pub latest: Option<u64>,
}

/// What tells one tick from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TickName {
    /// The scheduled time, in milliseconds since 1970.
    At(i64),
    /// The present one, of a schedule whose ticks are never closer than twice the memory.
    Present,
}

impl Tick {
    pub fn at(millis: i64, memory: Duration) -> Self {
        Tick {
            name: TickName::At(millis),
            memory,
            latest: None,
        }
    }

    /// The present tick of a schedule whose ticks are `period` apart at least. A server that asks within half
    /// of that from a grant asks for the tick that was granted: neither the phase of the schedule nor a
    /// time zone nor any server's clock has a part in it.
    pub fn every(period: Duration) -> Self {
        Tick {
            name: TickName::Present,
            memory: period / 2,
            latest: None,
        }
    }
}

/// The last occurrence of a schedule at or before `at`, in milliseconds since 1970, where the schedule
/// only tells the `next` one after a time. `None` where there is none in ten years.
///
/// # Errors
///
/// What `next` fails with.
pub fn last_occurrence<E>(
    at: i64,
    mut next: impl FnMut(i64) -> Result<Option<i64>, E>,
) -> Result<Option<i64>, E> {
    let mut due = |after: i64| Ok(next(after)?.filter(|next| *next <= at && *next > after));
    // Most are asked for as they come. Schedules tell whole seconds: there is one at most in the last.
    let (mut back, mut none_after) = (SECOND, at);
    let mut found = loop {
        if let Some(found) = due(at - back)? {
            break found;
        }
        none_after = at - back;
        back *= 4;
        if back > TEN_YEARS {
            return Ok(None);
        }
    };
    if back == SECOND {
        return Ok(Some(found));
    }
    // Mostly it is one of the next few.
    for _ in 0..4 {
        match due(found)? {
            Some(later) => found = later,
            None => return Ok(Some(found)),
        }
    }
    while found < none_after {
        let middle = found + (none_after - found) / 2;
        match due(middle)? {
            Some(later) => found = later,
            None => none_after = middle,
        }
    }
    Ok(Some(found))
}

/// This occurrence of a schedule, after clocks were set back at `set_back_at`; or the last one before
/// that, where it does not follow from those: a schedule that is asked within an hour that is played
/// twice may tell of its repetition what it had already told of the first time.
///
/// # Errors
///
/// What `next` fails with.
pub fn not_repeated<E>(
    found: i64,
    set_back_at: i64,
    mut next: impl FnMut(i64) -> Result<Option<i64>, E>,
) -> Result<i64, E> {
    let before = set_back_at - SECOND;
    match next(before)? {
        Some(following) if following > found => Ok(last_occurrence(before, next)?.unwrap_or(found)),
        _ => Ok(found),
    }
}

const SECOND: i64 = 1_000;
const TEN_YEARS: i64 = 10 * 366 * 24 * 3_600_000;
