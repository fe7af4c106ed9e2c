use super::*;
use crate::election::run::RunCommand;
use crate::election::{Command, Identity, Time};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Of a question that is answered within 1 s, or 3 s in all.
fn of_election(start: Instant) -> WaitingTimes {
    let request = Request {
        id: 1,
        sent_at: Time::ZERO,
        bound: millis(1_000),
        patience: millis(3_000),
        command: Command::Inspect,
    };
    WaitingTimes::of_election(&request, start)
}

/// The same, of a run.
fn of_run(start: Instant) -> WaitingTimes {
    let command = RunCommand::Acquire {
        identity: Identity::new(1),
        ttl: millis(6_000),
        tick: None,
    };
    let request = RunRequest {
        id: 1,
        sent_at: Time::ZERO,
        bound: millis(1_000),
        patience: millis(3_000),
        command,
        tell_sent: false,
    };
    WaitingTimes::of_run(&request, start)
}

#[test]
fn a_question_of_an_election_waits_for_a_connection_no_longer_than_for_an_answer() {
    let start = Instant::now();
    let times = of_election(start);
    assert_eq!(times.sent_by(true), start + millis(2_995));
    assert_eq!(times.sent_by(false), start + millis(995));
}

#[test]
fn a_question_of_a_run_waits_as_long_for_a_connection_as_for_its_turn() {
    let start = Instant::now();
    let times = of_run(start);
    assert_eq!(times.sent_by(true), times.sent_by(false));
}

#[test]
fn from_when_it_is_sent_it_waits_for_its_bound_and_never_beyond_its_end() {
    let start = Instant::now();
    for mut times in [of_election(start), of_run(start)] {
        times.note_sent(start + millis(100));
        assert_eq!(times.deadline(), start + millis(1_095));
        assert_eq!(times.waited(), millis(100));
        times.note_sent(start + millis(2_500));
        assert_eq!(times.deadline(), start + millis(2_995));
    }
}

#[test]
fn an_answer_to_an_election_may_be_late_until_the_end_and_one_to_a_run_not_at_all() {
    let start = Instant::now();
    let (mut election, mut run) = (of_election(start), of_run(start));
    election.note_sent(start);
    run.note_sent(start);
    assert_eq!(election.latest(), start + millis(2_995));
    assert_eq!(run.latest(), run.deadline());
    election.wait_until(start + millis(2_000));
    assert_eq!(election.deadline(), start + millis(2_000));
}

#[test]
fn a_caller_in_a_hurry_is_told_a_tenth_of_its_time_before_the_end_of_it() {
    assert_eq!(in_time(millis(20)), millis(18));
    assert_eq!(in_time(millis(50)), millis(45));
    assert_eq!(in_time(millis(5_000)), millis(4_995));
}
