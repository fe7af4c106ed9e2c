use std::fmt;
use std::sync::Mutex;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::driver::{RunChange, RunSink};
use crate::election::Token;
use crate::election::run::{RunCommand, RunConfig, RunOutcome, RunRequest};
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

struct Noted(Mutex<Vec<String>>);

impl RunSink for Noted {
    fn tell(&self, run: u64, change: RunChange) {
        let word = match change {
            RunChange::Granted(_) => "granted".into(),
            other => format!("{other:?}").to_lowercase(),
        };
        self.0.lock().unwrap().push(format!("{run} {word}"));
    }
}

struct Bench {
    inbox: Arc<RunInbox>,
    sink: Arc<Noted>,
    store: Arc<NotingStore>,
    sent: UnboundedReceiver<Sent>,
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
            sink: Arc::new(Noted(Mutex::default())),
            store: Arc::new(NotingStore(sender)),
            sent,
        }
    }

    /// Not heard before something is put.
    fn begin(&self, run: u64, resource: &str, wait: Duration) {
        let start = RunStart {
            store: self.store.clone(),
            resource: resource.into(),
            config: RunConfig {
                wait,
                ..RunConfig::new(TTL)
            },
            max_run: None,
            stall: None,
            sink: self.sink.clone(),
            number: run,
        };
        let random = Random::from_seed(u128::from(run));
        self.inbox.leave(run, RunInput::Start(start, random));
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
        self.inbox
            .answer(run, request, Ok(RunOutcome::Granted(token)));
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.sink.0.lock().unwrap())
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

#[tokio::test]
async fn one_that_waits_in_the_line_is_refused_when_its_time_is_over() {
    let mut bench = Bench::start();
    bench.begin(1, "mail", TTL);
    bench.begin(2, "mail", Duration::from_millis(20));
    bench.inbox.wake();
    bench.acquired().await;
    while bench.sink.0.lock().unwrap().is_empty() {
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

#[test]
fn the_alarms_of_runs_that_have_ended_are_forgotten() {
    let (sender, mut sent) = unbounded_channel();
    let inbox: Arc<RunInbox> = Arc::default();
    let mut runs = Runs::new(inbox);
    let store = Arc::new(NotingStore(sender));
    for run in 0..10_000 {
        let start = RunStart {
            store: store.clone(),
            resource: "mail".into(),
            config: RunConfig::new(TTL),
            max_run: None,
            stall: None,
            sink: Arc::new(Noted(Mutex::default())),
            number: run,
        };
        let at = Time::from_micros(run);
        let random = Random::from_seed(u128::from(run));
        runs.hear(at, run, RunInput::Start(start, random));
        let (_, _, request) = sent.try_recv().unwrap();
        let held = RunOutcome::Held(Duration::from_secs(1));
        runs.hear(at, run, RunInput::Answer(request, Ok(held)));
        assert!(runs.alarms.len() <= FEW, "{}", runs.alarms.len());
    }
    assert!(runs.slots.is_empty() && runs.lines.is_empty());
}
