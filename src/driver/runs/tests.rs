use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::*;
use crate::driver::alarms::FEW;
use crate::driver::{LeaseCell, RunChange, RunSink};
use crate::election::run::{RunCommand, RunConfig, RunOutcome, RunRequest};
use crate::election::{Failure, Token};
use crate::store::{RunAnswers, RunStore};

type Sent = (Arc<str>, u64, RunRequest);

/// Notes what is sent, and answers when it is told to.
struct NotingStore(UnboundedSender<Sent>);

impl RunStore for NotingStore {
    fn send_run(
        &self,
        resource: &Arc<str>,
        run: u64,
        request: RunRequest,
        _: &Arc<dyn RunAnswers>,
    ) {
        if &**resource == "broken" {
            panic!("planted in the sending");
        }
        let _ = self.0.send((resource.clone(), run, request));
    }

    fn subscribe_releases(&self, _: &str) -> UnboundedReceiver<Duration> {
        // Nothing is released: its receiver hears the end at once.
        unbounded_channel().1
    }
}

impl fmt::Debug for NotingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotingStore")
    }
}

#[derive(Default)]
struct Noted {
    told: Mutex<Vec<String>>,
    cells: Mutex<Vec<Arc<LeaseCell>>>,
}

impl Noted {
    fn take(&self) -> Vec<String> {
        take(&mut *self.told.lock().unwrap())
    }
}

impl RunSink for Noted {
    fn tell(&self, run: u64, change: RunChange) {
        let word = match change {
            RunChange::Granted(cell) => {
                self.cells.lock().unwrap().push(cell);
                "granted".into()
            }
            other => format!("{other:?}").to_lowercase(),
        };
        self.told.lock().unwrap().push(format!("{run} {word}"));
    }

    fn leave(&self, run: u64, change: RunChange) {
        self.tell(run, change);
    }
}

struct Bench {
    inbox: Arc<RunInbox>,
    sink: Arc<Noted>,
    store: Arc<NotingStore>,
    sent: UnboundedReceiver<Sent>,
}

/// A run begins.
fn start(
    store: &Arc<NotingStore>,
    sink: &Arc<Noted>,
    run: u64,
    resource: &str,
    config: RunConfig,
) -> RunInput {
    let start = RunStart {
        store: store.clone(),
        resource: resource.into(),
        config,
        max_run: None,
        stall: None,
        sink: sink.clone(),
        number: run,
    };
    RunInput::Start(start, u128::from(run))
}

const PATIENCE: Duration = Duration::from_secs(20);
const TTL: Duration = Duration::from_secs(60);

impl Bench {
    fn start() -> Self {
        let (sender, sent) = unbounded_channel();
        let inbox: Arc<RunInbox> = Arc::default();
        tokio::spawn(Runs::new(inbox.clone()).serve());
        Bench {
            inbox,
            sink: Arc::new(Noted::default()),
            store: Arc::new(NotingStore(sender)),
            sent,
        }
    }

    /// Not heard before something is put.
    fn begin(&self, run: u64, resource: &str, wait: Duration) {
        self.begin_with(run, resource, |config| config.wait = wait);
    }

    fn begin_with(&self, run: u64, resource: &str, with: impl FnOnce(&mut RunConfig)) {
        let mut config = RunConfig::new(TTL);
        with(&mut config);
        let start = start(&self.store, &self.sink, run, resource, config);
        self.inbox.leave(run, start);
    }

    async fn sent(&mut self) -> Sent {
        let sent = tokio::time::timeout(PATIENCE, self.sent.recv()).await;
        sent.expect("nothing was sent").unwrap()
    }

    async fn acquired(&mut self) -> (u64, RunRequest) {
        let (_, run, request) = self.sent().await;
        assert!(matches!(request.command, RunCommand::Acquire { .. }));
        (run, request)
    }

    fn grant(&self, run: u64, request: RunRequest) {
        let token = Token::new(7);
        self.inbox.answer(
            run,
            request,
            Ok(RunOutcome::Granted {
                token,
                waited: Duration::ZERO,
            }),
        );
    }

    fn told(&self) -> Vec<String> {
        self.sink.take()
    }
}

#[tokio::test]
async fn what_is_heard_together_is_sent_with_one_look_at_the_clock_behind_all_of_it() {
    let mut bench = Bench::start();
    for run in 1..=100 {
        bench.begin(run, "mail", Duration::ZERO);
    }
    let heard_at = now();
    bench.inbox.wake();
    let mut sent_at = Vec::new();
    for run in 1..=100 {
        let (sender, request) = bench.acquired().await;
        assert_eq!(sender, run);
        sent_at.push(request.sent_at);
    }
    assert!(sent_at[0] >= heard_at, "before it was heard");
    assert!(sent_at[0] <= now(), "after it was sent");
    sent_at.dedup();
    assert_eq!(sent_at.len(), 1);
}

#[tokio::test]
async fn those_that_wait_for_one_lease_ask_one_after_the_other() {
    let mut bench = Bench::start();
    for run in 1..=4 {
        bench.begin(run, "mail", TTL);
    }
    bench.begin(5, "report", TTL);
    bench.inbox.wake();
    let (first, request) = bench.acquired().await;
    assert_eq!(first, 1);
    assert_eq!(bench.acquired().await.0, 5, "of another lease");
    // One that leaves the line holds nobody up.
    bench.inbox.put(2, RunInput::Abandon);
    bench.grant(1, request);
    let (third, _) = bench.acquired().await;
    assert_eq!(third, 3);
    // One that is answered otherwise lets the next one in too.
    bench.inbox.put(3, RunInput::Abandon);
    loop {
        let (_, run, request) = bench.sent().await;
        if let RunCommand::Acquire { .. } = request.command {
            assert_eq!(run, 4);
            break;
        }
    }
    assert_eq!(
        bench.told(),
        ["2 refused(abandoned)", "1 granted", "3 refused(abandoned)"]
    );
}

/// Runs of which nobody waits for the release: the first is told that its own is sent, and the second asks.
async fn owing() -> (Bench, RunRequest, RunRequest) {
    let mut bench = Bench::start();
    bench.begin_with(1, "mail", |config| config.await_release = false);
    bench.inbox.wake();
    let (_, request) = bench.acquired().await;
    bench.grant(1, request);
    bench.inbox.put(1, RunInput::Release);
    let (_, _, release) = bench.sent().await;
    assert!(release.tell_sent);
    bench.inbox.sent(1, release.id);
    bench.begin(2, "mail", Duration::ZERO);
    bench.inbox.wake();
    let (asks, question) = bench.acquired().await;
    assert_eq!(asks, 2, "behind a release that is on its way");
    assert_eq!(bench.told(), ["1 granted", "1 sent"]);
    (bench, release, question)
}

fn lost() -> Result<RunOutcome, Failure> {
    let cause = "connection closed".into();
    Err(Failure::Unknown { cause })
}

#[tokio::test]
async fn a_lost_release_is_sent_again_before_a_question_of_its_process_is_repeated() {
    let (mut bench, release, question) = owing().await;
    // Both were lost; and the question is repeated at once.
    bench.inbox.leave(2, RunInput::Abandon);
    bench.inbox.leave(1, RunInput::Answer(release, lost()));
    bench.inbox.leave(2, RunInput::Answer(question, lost()));
    bench.begin(3, "mail", Duration::ZERO);
    bench.inbox.wake();
    let mut order = Vec::new();
    while order.last() != Some(&3) {
        let (_, run, request) = bench.sent().await;
        match request.command {
            RunCommand::Release { .. } | RunCommand::Acquire { .. } => order.push(run),
            _ => {}
        }
    }
    assert_eq!(order, [1, 3]);
    // Those for other leases are none of its business.
    bench.begin(4, "report", Duration::ZERO);
    bench.inbox.wake();
    assert_eq!(bench.acquired().await.0, 4);
}

#[tokio::test]
async fn a_lost_release_is_sent_again_at_once_where_a_question_waits_for_a_connection() {
    let (mut bench, release, question) = owing().await;
    let at = now();
    bench.inbox.answer(1, release, lost());
    let (_, run, release) = bench.sent().await;
    assert_eq!(run, 1);
    assert!(release.sent_at >= at);
    // When it is confirmed, nothing is owed any more.
    bench.inbox.answer(1, release, Ok(RunOutcome::Released));
    bench.grant(2, question);
    bench.inbox.put(2, RunInput::Release);
    assert_eq!(bench.sent().await.1, 2);
    assert_eq!(bench.told(), ["1 released", "2 granted"]);
}

#[tokio::test]
async fn one_that_waits_in_the_line_is_refused_when_its_time_is_over() {
    let mut bench = Bench::start();
    bench.begin(1, "mail", TTL);
    bench.begin(2, "mail", Duration::from_millis(20));
    bench.inbox.wake();
    bench.acquired().await;
    while bench.sink.told.lock().unwrap().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(bench.told(), ["2 refused(held)"]);
}

#[tokio::test]
async fn a_panic_in_one_run_is_that_runs_alone() {
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let mut bench = Bench::start();
    bench.begin(1, "mail", Duration::ZERO);
    bench.begin(2, "broken", Duration::ZERO);
    bench.begin(3, "broken", TTL);
    bench.begin(4, "broken", TTL);
    bench.begin(5, "report", Duration::ZERO);
    bench.inbox.wake();
    let (first, request) = bench.acquired().await;
    assert_eq!(first, 1);
    assert_eq!(bench.acquired().await.0, 5);
    bench.grant(1, request);
    bench.inbox.put(1, RunInput::Release);
    let (_, run, request) = bench.sent().await;
    assert!(matches!(request.command, RunCommand::Release { .. }));
    assert_eq!(run, 1);
    assert_eq!(
        bench.told(),
        ["2 failed", "3 failed", "4 failed", "1 granted"]
    );
}

/// Elections are renewed on the same thread.
#[tokio::test]
async fn a_crowd_whose_time_is_over_leaves_others_their_turn() {
    let mut bench = Bench::start();
    let (crowd, wait) = (1_024, Duration::from_millis(20));
    bench.begin(0, "mail", TTL);
    for run in 1..=crowd {
        bench.begin(run, "mail", wait);
    }
    bench.begin(crowd + 1, "report", Duration::ZERO);
    bench.inbox.wake();
    while bench.acquired().await.0 != crowd + 1 {}
    // All of this thread stands still, and then the time of all is over.
    thread::sleep(wait);
    let (mut refused, mut turns) = (0, 0);
    while refused < crowd as usize {
        refused += bench.told().len();
        turns += usize::from(refused > 0);
        tokio::task::yield_now().await;
    }
    assert!(turns > 3, "{turns}");
}

#[test]
fn the_alarms_of_runs_that_have_ended_are_forgotten() {
    let (sender, mut sent) = unbounded_channel();
    let inbox: Arc<RunInbox> = Arc::default();
    let mut runs = Runs::new(inbox);
    let store = Arc::new(NotingStore(sender));
    for run in 0..10_000 {
        let start = start(&store, &Arc::default(), run, "mail", RunConfig::new(TTL));
        let at = Time::from_micros(run);
        runs.hear(at, run, start);
        let (_, _, request) = sent.try_recv().unwrap();
        let held = RunOutcome::Held(Duration::from_secs(1));
        runs.hear(at, run, RunInput::Answer(request, Ok(held)));
        let (alarms, _) = runs.alarms.len_and_capacity();
        assert!(alarms <= FEW, "{alarms}");
    }
    assert!(runs.slots.is_empty() && runs.lines.is_empty());
}

#[test]
fn what_a_burst_took_is_given_back() {
    let (sender, mut sent) = unbounded_channel();
    let mut runs = Runs::new(Arc::default());
    let store: Arc<NotingStore> = Arc::new(NotingStore(sender));
    let sink: Arc<Noted> = Arc::new(Noted::default());
    for run in 0..20_000 {
        let start = start(&store, &sink, run, "mail", RunConfig::new(TTL));
        runs.hear(Time::ZERO, run, start);
    }
    assert!(runs.slots.capacity() >= 20_000);
    for run in 0..20_000 {
        let (_, _, request) = sent.try_recv().unwrap();
        let held = RunOutcome::Held(Duration::from_secs(1));
        runs.hear(Time::ZERO, run, RunInput::Answer(request, Ok(held)));
    }
    assert!(
        runs.slots.capacity() <= 2 * MANY,
        "{}",
        runs.slots.capacity()
    );
    let (_, alarms) = runs.alarms.len_and_capacity();
    assert!(alarms <= 2 * MANY, "{alarms}");
}

mod over;
