//! A tick is used up when its run begins, and not before.

use std::time::Duration;

use super::scene::*;
use crate::election::run::{RunCommand, RunOutcome, Tick, last_occurrence, not_repeated};
use crate::election::{Failure, Identity};
use crate::store::RunRegister;

const PENDING: Result<RunOutcome, Failure> = Ok(RunOutcome::Pending(None));
const RAN: Result<RunOutcome, Failure> = Ok(RunOutcome::Ran);

/// Granted with token 7 by the request that was sent at time 0; the run has not begun.
fn granted_for_tick() -> Scene {
    let mut scene = Scene::asking_for_tick();
    scene.reply(10, 1, granted(7));
    scene
}

/// Looks again whenever the rules want to, until they are done with it, and is told the same each time.
fn look_until_the_end(scene: &mut Scene, mut id: u64) -> (Vec<u64>, Vec<String>) {
    let mut looks = Vec::new();
    loop {
        let time = scene.lease.poll_timeout().unwrap();
        let now = time.as_micros().div_ceil(1000);
        let asked = scene.timeout(now);
        assert!(asked[0].starts_with("acquire for tick 5000"), "{asked:?}");
        looks.push(now);
        id += 1;
        let told = scene.reply(now, id, PENDING);
        if !told.is_empty() {
            return (looks, told);
        }
    }
}

#[test]
fn a_run_that_begins_says_so_and_waits_for_no_answer() {
    let mut scene = granted_for_tick();
    assert_eq!(scene.begin(20), ["begin 7 #2 within 1000"]);
    assert_eq!(scene.begin(21), NOTHING, "once");
    assert_eq!(scene.reply(30, 2, Ok(RunOutcome::Begun)), NOTHING);
    assert_eq!(
        scene.wakes_at(),
        Some(2000),
        "the renewal, and nothing sooner"
    );
    assert_eq!(scene.release(40), ["release 7 #3 within 1000"]);
}

#[test]
fn a_run_without_a_tick_has_nobody_to_tell() {
    let mut scene = Scene::asking();
    scene.reply(10, 1, granted(7));
    assert_eq!(scene.begin(20), NOTHING);
}

#[test]
fn a_beginning_that_fails_changes_nothing() {
    let mut scene = granted_for_tick();
    scene.begin(20);
    assert_eq!(scene.reply(1020, 2, unknown()), NOTHING);
    assert_eq!(scene.timeout(2000), ["renew 7 #3 within 1000"]);
}

#[test]
fn nobody_takes_back_what_has_begun() {
    let mut scene = granted_for_tick();
    scene.begin(20);
    assert_eq!(scene.abandon(30), ["release 7 #3 within 1000"]);
    assert_eq!(
        scene.reply(40, 3, Ok(RunOutcome::Released)),
        ["released", "ended"]
    );
    let mut missed = granted_for_tick();
    missed.begin(20);
    assert_eq!(missed.miss(30), NOTHING);
}

#[test]
fn a_loop_that_hangs_before_its_run_begins_asks_for_its_tick_again_when_it_turns() {
    let mut scene = granted_for_tick();
    assert_eq!(
        scene.stall(100),
        ["lost 7: stalled", "release 7 #2 within 1000"],
        "nobody can say whether it is about to begin"
    );
    assert_eq!(scene.reply(110, 2, Ok(RunOutcome::Released)), NOTHING);
    assert_eq!(scene.miss(9000), ["acquire for tick 5000 #3 within 1000"]);
}

#[test]
fn a_tick_that_is_pending_is_looked_after_until_its_run_has_begun() {
    let mut scene = Scene::asking_for_tick();
    assert_eq!(scene.reply(10, 1, PENDING), NOTHING);
    let again = scene.lease.poll_timeout().unwrap();
    assert!(again >= at(15) && again <= at(20), "{again:?}");
    assert_eq!(scene.timeout(20), ["acquire for tick 5000 #2 within 1000"]);
    assert_eq!(scene.reply(21, 2, RAN), ["refused: ran", "ended"]);
}

#[test]
fn whoever_looks_again_for_a_pending_tick_says_until_when_it_was_that_one() {
    let mut scene = Scene::asking_for_tick();
    scene.reply(10, 1, Ok(RunOutcome::Pending(None)));
    assert_eq!(scene.timeout(20), ["acquire for tick 5000 #2 within 1000"]);
    scene.reply(21, 2, Ok(RunOutcome::Pending(Some(7))));
    let asked = scene.timeout(41);
    assert_eq!(asked, ["acquire for tick 5000 until 7 #3 within 1000"]);
    scene.reply(42, 3, Ok(RunOutcome::Pending(Some(9))));
    let asked = scene.timeout(82);
    assert_eq!(
        asked,
        ["acquire for tick 5000 until 7 #4 within 1000"],
        "the first counts"
    );
}

#[test]
fn a_tick_that_was_pending_and_is_taken_back_is_granted() {
    let mut scene = Scene::asking_for_tick();
    scene.reply(10, 1, PENDING);
    scene.timeout(20);
    assert_eq!(scene.reply(21, 2, granted(9)), ["granted 9 until 4680"]);
}

#[test]
fn another_tick_is_not_refused_because_of_a_lease_whose_run_has_not_begun() {
    let mut scene = Scene::asking_for_tick();
    scene.reply(10, 1, PENDING);
    scene.timeout(20);
    assert_eq!(
        scene.reply(21, 2, held_for(100)),
        ["refused: held", "ended"]
    );
}

#[test]
fn a_tick_that_stays_pending_is_waited_for_a_little_longer_than_its_holder_asks() {
    let mut scene = Scene::asking_for_tick();
    scene.reply(10, 1, PENDING);
    let (looks, told) = look_until_the_end(&mut scene, 1);
    assert_eq!(told, ["refused: ran", "ended"]);
    // The acquire timeout is 3 s: an eighth more, and 100 ms.
    assert_eq!(looks.last(), Some(&(10 + 3000 + 375 + 100)));
    assert!(looks.len() < 25, "{looks:?}");
    let longest = looks.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(longest <= Some(376), "{looks:?}");
}

#[test]
fn a_store_that_falls_silent_while_a_tick_is_pending_is_given_up() {
    let mut scene = Scene::asking_for_tick();
    scene.reply(10, 1, PENDING);
    scene.timeout(20);
    let lines = scene.run_until(3020);
    assert_eq!(
        lines,
        [
            "3020: refused: unavailable: no answer from the store",
            "3020: withdraw for tick 5000 #3 within 1000"
        ]
    );
}

#[test]
fn one_that_gives_up_while_a_tick_is_pending_has_nothing_to_take_back() {
    let mut scene = Scene::asking_for_tick();
    scene.reply(10, 1, PENDING);
    assert_eq!(scene.abandon(12), ["refused: abandoned", "ended"]);
}

#[test]
fn a_lost_tick_is_not_asked_for_again_once_its_run_has_begun() {
    let mut scene = granted_for_tick();
    scene.begin(20);
    scene.act(|l| l.handle_expired());
    assert_eq!(scene.miss(30), NOTHING);
}

/// Ticks at these seconds, each asked for by two servers, the second late by so many seconds.
fn played(ticks: &[u64], period: u64, late: u64) -> Vec<usize> {
    let mut register = RunRegister::default();
    let mut asked: Vec<_> = (0..ticks.len())
        .flat_map(|i| [(ticks[i], i), (ticks[i] + late, i)])
        .collect();
    asked.sort_unstable();
    let mut runs = vec![0; ticks.len()];
    for (number, (second, tick)) in (1..).zip(asked) {
        let identity = Identity::new(number);
        let now = 1_795_000_000_000_000 + second * 1_000_000;
        let acquire = RunCommand::Acquire {
            identity,
            ttl: millis(6000),
            tick: Some(Tick::every(Duration::from_secs(period))),
        };
        if let RunOutcome::Granted { token, .. } = register.apply(now, &acquire).outcome {
            runs[tick] += 1;
            let release = RunCommand::Release {
                identity,
                token,
                min_hold: millis(0),
            };
            register.apply(now + 1000, &release);
        }
    }
    runs
}

#[test]
fn a_period_tells_ticks_apart_whatever_their_phase_and_their_time_zone() {
    let day = 24 * 3600;
    let hour = 3600;
    // A daily job at a local time, over both changes of summer time; then phases of a schedule.
    for (gaps, period) in [
        ([day, day, day - hour, day, day + hour, day], day),
        (
            [6 * hour, 5 * hour, 6 * hour, 6 * hour, 7 * hour, 6 * hour],
            6 * hour,
        ),
        ([hour; 6], hour),
        ([900; 6], 900),
    ] {
        for phase in [0, period / 7, period * 45 / 100, period / 2, period - 1] {
            let mut at = phase;
            let mut ticks = vec![at];
            for gap in gaps {
                at += gap;
                ticks.push(at);
            }
            for late in [0, 1, period / 10, period * 3 / 10, period / 2 - 1] {
                let runs = played(&ticks, period, late);
                assert_eq!(
                    runs,
                    vec![1; ticks.len()],
                    "{period} from {phase}, late by {late}"
                );
            }
        }
    }
}

#[test]
fn the_last_occurrence_is_found_by_asking_for_the_next_ones() {
    let minute = 60_000;
    // Every five minutes, of the first hour of each day alone.
    let day = 24 * 60 * minute;
    let next = |after: i64| {
        let today = after.div_euclid(day) * day;
        let within = after - today;
        let next = (within.div_euclid(5 * minute) + 1) * 5 * minute;
        if next < 60 * minute {
            today + next
        } else {
            today + day
        }
    };
    for at in [
        0,
        1,
        999,
        1_000,
        5 * minute,
        5 * minute + 70_000,
        55 * minute,
        day - 1,
        20 * day + 17 * 60 * minute + 3,
    ] {
        let mut asked = 0;
        let found = last_occurrence(at, |after| {
            asked += 1;
            Ok::<_, ()>(Some(next(after)))
        });
        let mut occurrences = (0..).scan(at - 2 * day, |last, _| {
            *last = next(*last);
            Some(*last)
        });
        let due = occurrences.by_ref().take_while(|next| *next <= at);
        let expected = due.last();
        assert_eq!(found, Ok(expected), "at {at}");
        assert!(asked < 60, "{asked} at {at}");
    }
    let mut asked = 0;
    let on_time = last_occurrence(5 * minute + 3, |after| {
        asked += 1;
        Ok::<_, ()>(Some(next(after)))
    });
    assert_eq!((on_time, asked), (Ok(Some(5 * minute)), 1), "as most are");
    assert_eq!(last_occurrence(5, |_| Ok::<_, ()>(None)), Ok(None));
    assert_eq!(last_occurrence(5, |_| Err("broken")), Err("broken"));
}

#[test]
fn an_occurrence_that_is_only_told_to_one_who_asks_within_a_repeated_hour_is_the_first_again() {
    let hour = 3_600_000;
    let day = 24 * hour;
    // Every ten minutes from 2:00 to 3:00, and from 3:00 to 4:00 again for one who asks after 3:00.
    let of_one_hour = |after: i64| {
        let next = (after.div_euclid(hour / 6) + 1) * (hour / 6);
        let again = after >= 3 * hour && next < 4 * hour;
        let found = match next {
            _ if next < 2 * hour => 2 * hour,
            _ if next < 3 * hour || again => next,
            _ => day + 3 * hour,
        };
        Ok::<_, ()>(Some(found))
    };
    for minutes in [10, 20, 50] {
        let found = 3 * hour + minutes * 60_000;
        let first = not_repeated(found, 3 * hour, of_one_hour);
        assert_eq!(first, Ok(3 * hour - hour / 6), "{minutes} minutes later");
    }
    let next_day = day + 3 * hour;
    assert_eq!(not_repeated(next_day, 3 * hour, of_one_hour), Ok(next_day));
    let hourly = |after: i64| Ok::<_, ()>(Some((after.div_euclid(hour) + 1) * hour));
    assert_eq!(not_repeated(3 * hour, 3 * hour, hourly), Ok(3 * hour));
    assert_eq!(not_repeated(4 * hour, 3 * hour, hourly), Ok(4 * hour));
}
