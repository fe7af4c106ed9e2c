//! How often memory is asked for: what a command and a run cost, counted rather than timed.
#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

mod redis_server;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use primary_lease::driver::{RunChange, RunHandle, RunSink, RunStart, hand_over, store};
use primary_lease::election::run::{RunCommand, RunConfig, RunOutcome, RunRequest};
use primary_lease::election::{Failure, Identity, Time};
use primary_lease::store::{RedisSource, RunAnswers, RunStore, Source};
use redis_server::RedisServer;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

struct Counting;

static MALLOCS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's; counting asks for no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MALLOCS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the promises of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises of this very function.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        MALLOCS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the promises of this very function.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const AT_ONCE: usize = 32;
const PAIRS: usize = 3_200;
const TTL: Duration = Duration::from_secs(60);

/// What one of those side by side hears: made once, so that it costs a pair nothing.
struct Lane<T>(mpsc::UnboundedSender<T>);

impl RunAnswers for Lane<RunOutcome> {
    fn answer(&self, _: u64, _: RunRequest, answer: Result<RunOutcome, Failure>) {
        let _ = self.0.send(answer.unwrap());
    }

    fn sent(&self, _: u64, _: u64) {}
}

impl RunSink for Lane<RunChange> {
    fn tell(&self, _: u64, change: RunChange) {
        let _ = self.0.send(change);
    }

    fn leave(&self, run: u64, change: RunChange) {
        self.tell(run, change);
    }
}

/// Takes and gives back leases as the store sees it, `AT_ONCE` side by side.
async fn pairs_of_commands(store: &dyn RunStore, names: &[Arc<str>]) {
    let one = async |names: &[Arc<str>]| {
        let identity = Identity::new(1);
        let (sender, mut answers) = mpsc::unbounded_channel();
        let lane: Arc<dyn RunAnswers> = Arc::new(Lane(sender));
        let ask = |resource: &Arc<str>, command| {
            let request = RunRequest {
                id: 1,
                sent_at: Time::ZERO,
                bound: TTL,
                patience: TTL,
                command,
                tell_sent: false,
            };
            store.send_run(resource, 1, request, &lane);
        };
        for resource in names {
            let (ttl, tick) = (TTL, None);
            ask(
                resource,
                RunCommand::Acquire {
                    identity,
                    ttl,
                    tick,
                },
            );
            let Some(RunOutcome::Granted { token, .. }) = answers.recv().await else {
                panic!("not granted");
            };
            let min_hold = Duration::ZERO;
            ask(
                resource,
                RunCommand::Release {
                    identity,
                    token,
                    min_hold,
                },
            );
            assert_eq!(answers.recv().await, Some(RunOutcome::Released));
        }
    };
    join_all(names.chunks(PAIRS / AT_ONCE).map(one)).await;
}

/// The same as the outside of the driver sees it.
async fn runs(store: &Arc<dyn RunStore>, names: &[Arc<str>]) {
    let one = async |names: &[Arc<str>]| {
        let (sender, mut changes) = mpsc::unbounded_channel();
        let sink: Arc<dyn RunSink> = Arc::new(Lane(sender));
        for resource in names {
            let run = RunHandle::start(RunStart {
                store: store.clone(),
                resource: resource.clone(),
                config: RunConfig::new(TTL),
                max_run: None,
                stall: None,
                sink: sink.clone(),
                number: 1,
            })
            .unwrap();
            hand_over();
            let granted = changes.recv().await;
            assert!(
                matches!(granted, Some(RunChange::Granted(_))),
                "{granted:?}"
            );
            run.release();
            hand_over();
            let released = changes.recv().await;
            assert!(
                matches!(released, Some(RunChange::Released)),
                "{released:?}"
            );
        }
    };
    join_all(names.chunks(PAIRS / AT_ONCE).map(one)).await;
}

/// How many a pair costs, once everything has its size.
async fn count(pairs: impl AsyncFn(&[Arc<str>])) -> f64 {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    let names = || -> Vec<Arc<str>> {
        let first = LAST.fetch_add(PAIRS, Ordering::Relaxed);
        (first..first + PAIRS)
            .map(|number| number.to_string().into())
            .collect()
    };
    pairs(&names()).await;
    let names = names();
    let before = MALLOCS.load(Ordering::Relaxed);
    pairs(&names).await;
    (MALLOCS.load(Ordering::Relaxed) - before) as f64 / PAIRS as f64
}

#[test]
fn a_pair_of_commands_and_a_run_ask_for_little_memory() {
    let server = RedisServer::start();
    let runtime = Runtime::new().unwrap();
    let source = RedisSource::parse_url(&server.url()).unwrap();
    let store: Arc<dyn RunStore> = store(&Source::Redis(source)).unwrap();
    let (commands, a_run) = runtime.block_on(async {
        let commands = count(async |names| pairs_of_commands(&*store, names).await).await;
        (
            commands,
            count(async |names| runs(&store, names).await).await,
        )
    });
    println!("mallocs: {commands:.1} for two commands, {a_run:.1} for a run");
    assert!(commands < 3.0, "{commands}");
    assert!(a_run < 6.0, "{a_run}");
}
