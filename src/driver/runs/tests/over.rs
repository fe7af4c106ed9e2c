//! What is told of runs whose work is over before that is heard of.

use super::*;

/// Two runs that hold their leases, told what they hear and what time it is by hand.
struct TwoRuns {
    runs: Runs,
    sink: Arc<Noted>,
    sent: UnboundedReceiver<Sent>,
}

const BEGUN: Time = Time::from_micros(1_000);

impl TwoRuns {
    fn granted(max_run: Option<Duration>) -> Self {
        let (sender, sent) = unbounded_channel();
        let mut two = TwoRuns {
            runs: Runs::new(Arc::default()),
            sink: Arc::default(),
            sent,
        };
        let store: Arc<NotingStore> = Arc::new(NotingStore(sender));
        for run in 1..=2 {
            let start = RunStart {
                store: store.clone(),
                resource: "mail".into(),
                config: RunConfig::new(TTL),
                max_run,
                stall: None,
                sink: two.sink.clone(),
                number: run,
            };
            two.hear(BEGUN, run, RunInput::Start(start, u128::from(run)));
            let granted = RunOutcome::Granted {
                token: Token::new(7),
                waited: Duration::ZERO,
            };
            let request = two.sent();
            two.hear(BEGUN, run, RunInput::Answer(request, Ok(granted)));
            two.cell(run).take(BEGUN, Duration::ZERO);
        }
        assert_eq!(two.sink.take(), ["1 granted", "2 granted"]);
        two
    }

    fn hear(&mut self, at: Time, run: u64, input: RunInput) {
        self.runs.hear(at, run, input);
    }

    /// Those whose time has come by then are called.
    fn ring(&mut self, at: Time) {
        while let Some((set_for, run)) = self.runs.alarms.pop_due(at) {
            self.runs.ring(at, run, set_for);
        }
    }

    fn sent(&mut self) -> RunRequest {
        self.sent.try_recv().unwrap().2
    }

    fn cell(&self, run: u64) -> Arc<LeaseCell> {
        self.sink.cells.lock().unwrap()[run as usize - 1].clone()
    }

    /// Their time is up at `at`: before it the work of the first was over, that of the second behind it. Returns what
    /// each was told in the end.
    fn end_around(mut self, at: Time) -> [Vec<String>; 2] {
        self.cell(1).finish(BEGUN + at.since(BEGUN) / 2);
        self.ring(at);
        self.cell(2).finish(at);
        self.release(at);
        [self.told(1), self.told(2)]
    }

    /// The release of both is heard of by then, and confirmed.
    fn release(&mut self, at: Time) {
        for run in 1..=2 {
            self.hear(at, run, RunInput::Release);
        }
        while let Ok((_, run, request)) = self.sent.try_recv() {
            self.hear(at, run, RunInput::Answer(request, Ok(RunOutcome::Released)));
        }
    }

    /// What each was told, without the rest of its line.
    fn told(&self, run: u64) -> Vec<String> {
        let told = self.sink.told.lock().unwrap();
        let words = told
            .iter()
            .filter_map(|line| line.strip_prefix(&format!("{run} ")));
        words
            .map(|word| word.split('(').next().unwrap().into())
            .collect()
    }
}

/// The work of the first was over under its lease, that of the second was not.
#[test]
fn work_that_was_over_in_time_has_not_lost_its_lease_however_late_the_release_is_heard() {
    let [first, second] = TwoRuns::granted(None).end_around(BEGUN + TTL);
    assert_eq!(first, ["released"]);
    assert_eq!(second, ["lost", "released"]);
}

#[test]
fn work_that_was_over_within_max_run_has_not_overrun_it_however_late_the_release_is_heard() {
    let two = TwoRuns::granted(Some(TTL / 10));
    let [first, second] = two.end_around(BEGUN + TTL / 10);
    assert_eq!(first, ["released"]);
    assert_eq!(second, ["overrun", "released"]);
}

#[test]
fn work_that_was_over_before_its_lease_was_to_go_was_not_cut_however_late_the_release_is_heard() {
    let mut two = TwoRuns::granted(None);
    let at = BEGUN + TTL / 10;
    for run in 1..=2 {
        two.hear(BEGUN, run, RunInput::ReleaseAt(at));
    }
    let [first, second] = two.end_around(at);
    assert_eq!(first, ["released"]);
    assert_eq!(second, ["cut", "released"]);
}

#[test]
fn work_that_was_over_before_its_run_broke_has_not_lost_its_lease() {
    let mut two = TwoRuns::granted(None);
    two.cell(1).finish(BEGUN);
    for run in 1..=2 {
        two.runs.act(BEGUN, run, |_, _| panic!("planted"));
    }
    two.cell(2).finish(BEGUN);
    assert_eq!(two.told(1), ["failed"]);
    assert_eq!(two.told(2), ["lost", "failed"]);
}

#[test]
fn a_renewal_that_is_confirmed_behind_the_end_of_the_work_leaves_its_release_to_be_confirmed_too() {
    let mut two = TwoRuns::granted(None);
    let due = BEGUN + TTL / 3;
    two.ring(due);
    let renewals = [two.sent(), two.sent()];
    for (run, request) in (1..=2).zip(renewals) {
        assert!(matches!(request.command, RunCommand::Renew { .. }));
        two.cell(run).finish(due);
        two.hear(due, run, RunInput::Answer(request, Ok(RunOutcome::Renewed)));
        two.hear(due, run, RunInput::Release);
        assert!(two.told(run).is_empty(), "before it is released");
    }
    two.release(due);
    assert_eq!(two.told(1), ["released"]);
    assert_eq!(two.told(2), ["released"]);
}
