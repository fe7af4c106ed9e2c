//! A panic in the background is a lost lease and a log line, and neither the end of the process nor
//! of the elections beside it.

mod redis_server;

use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use primary_lease::driver::{CampaignChange, Handle, Heartbeat, Start, now};
use primary_lease::election::{
    Answer, Command, Config, Failure, Identity, Message, Nonce, Outcome, Reason, Record, Reply,
    Request, Time, Token, Version,
};
use primary_lease::store::{Answering, RedisSource, RedisStore, Store, Target};
use redis_server::RedisServer;
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

const TTL: Duration = Duration::from_millis(500);

/// Grants and confirms everything, and panics at the `nth` command.
#[derive(Debug)]
struct Planted {
    nth: u32,
    sent: AtomicU32,
    /// In the answer, rather than in the sending.
    late: bool,
}

impl Store for Planted {
    fn send(&self, _: &Target, request: &Request) -> Answering<Reply> {
        let planted = self.sent.fetch_add(1, Ordering::Relaxed) + 1 == self.nth;
        let reply = reply_to(&request.command);
        if planted && !self.late {
            panic!("planted in the sending");
        }
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if planted {
                panic!("planted in the answer");
            }
            reply
        })
    }

    fn subscribe(&self, _: &Target) -> mpsc::UnboundedReceiver<Message> {
        mpsc::unbounded_channel().1
    }
}

fn reply_to(command: &Command) -> Result<Reply, Failure> {
    let (outcome, holder) = match command {
        Command::Acquire { identity, .. } => (Outcome::Granted, Some(*identity)),
        Command::Renew { identity, .. } => (Outcome::Renewed, Some(*identity)),
        Command::Release { identity, .. } => (Outcome::Released, Some(*identity)),
        Command::Inspect | Command::AskToResign { .. } => (Outcome::Seen, None),
    };
    Ok(Reply {
        outcome,
        record: Some(Record {
            version: Version {
                seq: 1,
                epoch: 1,
                incarnation: "run".into(),
            },
            nonce: Nonce::new(1),
            token: Token::new(7),
            holder,
            server: "server".into(),
            ttl: TTL,
            released: outcome == Outcome::Released,
            same_incarnation: true,
            ranks: Default::default(),
        }),
        listeners: Some(0),
        asked: false,
    })
}

fn campaign(nth: u32, late: bool) -> (Handle, mpsc::UnboundedReceiver<CampaignChange>) {
    let (told, changes) = mpsc::unbounded_channel();
    let handle = Handle::start(Start {
        store: Arc::new(Planted {
            nth,
            sent: AtomicU32::new(0),
            late,
        }),
        target: Target {
            name: "test".into(),
            server: "server".into(),
            entry: "1 0 - server".into(),
        },
        config: Config::new(TTL),
        sink: Box::new(move |change| drop(told.send(change))),
        heartbeat: Heartbeat::start(|| {}).unwrap(),
        span: tracing::Span::none(),
    })
    .unwrap();
    handle.listen(true);
    handle.establish();
    (handle, changes)
}

#[tokio::test]
async fn a_panic_in_the_loop_ends_the_lease_that_it_renewed_and_no_other() {
    // With RUST_BACKTRACE set, printing one takes longer than the ttl, on the campaigns' own thread.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let (_other, mut undisturbed) = campaign(u32::MAX, false);
    for late in [false, true] {
        let (handle, mut changes) = campaign(3, late);
        let Some(CampaignChange::Elected(cell)) = changes.recv().await else {
            panic!("not elected");
        };
        let answer = changes.recv().await;
        assert!(
            matches!(
                answer,
                Some(CampaignChange::Answer {
                    answer: Answer::Elected(_),
                    ..
                })
            ),
            "{answer:?}"
        );
        let failed = changes.recv().await;
        assert!(
            matches!(failed, Some(CampaignChange::Failed { token: Some(token) }) if token == cell.token()),
            "{failed:?}"
        );
        assert!(!cell.is_held(now()));
        // Nobody waits for what is dead, at the exit least of all.
        let number = handle.resign(Reason::Exit);
        let begun = now();
        assert!(handle.wait_ended(number, begun + TTL * 10));
        assert!(now().since(begun) < TTL);
    }
    let Some(CampaignChange::Elected(cell)) = undisturbed.recv().await else {
        panic!("not elected");
    };
    tokio::time::sleep(TTL * 2).await;
    assert!(cell.is_held(now()), "the runtime goes on");
}

/// Panics where the next line that says `on` is logged, and keeps the errors that are said.
#[derive(Clone, Default)]
struct Tripwire {
    on: Arc<Mutex<Option<&'static str>>>,
    errors: Arc<Mutex<Vec<String>>>,
}

impl<S: Subscriber> Layer<S> for Tripwire {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        if *event.metadata().level() == Level::ERROR {
            self.errors.lock().unwrap().push(said.0.clone());
        }
        let tripped = self.on.lock().unwrap().take_if(|on| *on == said.0);
        if tripped.is_some() {
            panic!("planted in '{}'", said.0);
        }
    }
}

#[derive(Default)]
struct Said(String);

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[tokio::test]
async fn a_panic_in_the_task_of_a_connection_costs_that_connection_and_is_said() {
    let redis = RedisServer::start();
    for on in ["connected", "connection dropped"] {
        let tripwire = Tripwire::default();
        let _logging =
            tracing::subscriber::set_default(tracing_subscriber::registry().with(tripwire.clone()));
        let source = RedisSource::parse_url(&redis.url()).unwrap();
        let store = RedisStore::open(source, &tokio::runtime::Handle::current());
        let target = Target {
            name: on.into(),
            server: "server".into(),
            entry: "1 0 - server".into(),
        };
        // Who subscribed before the panic is subscribed after it, too.
        let mut messages = store.subscribe(&target);
        until_heard(&store, &target, &mut messages).await;

        *tripwire.on.lock().unwrap() = Some(on);
        kill_clients(&redis);
        until_heard(&store, &target, &mut messages).await;
        assert_eq!(*tripwire.on.lock().unwrap(), None, "it never broke");
        assert_eq!(
            *tripwire.errors.lock().unwrap(),
            ["the connection's task failed and is restarted"]
        );
    }
}

/// Takes the lease again and again, until its message arrives.
async fn until_heard(
    store: &RedisStore,
    target: &Target,
    messages: &mut mpsc::UnboundedReceiver<Message>,
) {
    while messages.try_recv().is_ok() {}
    let mut watched = None;
    let heard = async {
        while messages.try_recv().is_err() {
            let command = Command::Acquire {
                identity: Identity::new(1),
                ttl: TTL,
                floor: Token::NONE,
                watched: watched.clone(),
                eager: None,
                rank: None,
                nonce: Nonce::new(1),
            };
            let request = Request {
                id: 1,
                sent_at: Time::ZERO,
                bound: Duration::from_secs(5),
                command,
            };
            match store.send(target, &request).await {
                Ok(reply) => watched = reply.record.map(|record| record.version),
                Err(Failure::Unknown { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let patience = Duration::from_secs(20);
    let heard = tokio::time::timeout(patience, heard).await;
    heard.expect("no message came");
}

fn kill_clients(redis: &RedisServer) {
    let mut client = redis.connect();
    for kind in ["normal", "pubsub"] {
        redis::cmd("CLIENT")
            .arg(&["KILL", "TYPE", kind, "SKIPME", "yes"])
            .exec(&mut client)
            .unwrap();
    }
}
