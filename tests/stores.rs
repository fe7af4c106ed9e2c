//! One suite for every store, and the register of the simulation compared with the real scripts step
//! by step: the imaginary Redis and the real one have to agree, or the simulation proves nothing.

mod redis_server;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use primary_lease::election::{
    Change, Command, Identity, Outcome, Record, Reply, Request, Time, Token, Version,
};
use primary_lease::store::{MemoryStore, RedisSource, RedisStore, Register, Server, Store, Target};
use proptest::prelude::*;
use redis_server::RedisServer;
use tokio::runtime::Handle;

const TTL: Duration = Duration::from_secs(5);
const MINE: Identity = Identity::new(1);
const OTHER: Identity = Identity::new(2);

fn target(name: &str) -> Target {
    Target {
        name: name.into(),
        server: "server one".into(),
    }
}

fn request(command: Command) -> Request {
    Request {
        id: 1,
        sent_at: Time::ZERO,
        bound: Duration::from_secs(20),
        command,
    }
}

fn acquire(identity: Identity, watched: Option<Version>) -> Command {
    Command::Acquire {
        identity,
        ttl: TTL,
        floor: Token::NONE,
        watched,
        eager: None,
        epoch: 0xe0 << 32,
    }
}

fn renew(identity: Identity, token: Token, over: Option<Version>) -> Command {
    Command::Renew {
        identity,
        token,
        ttl: TTL,
        over,
        epoch: 0xe1 << 32,
    }
}

fn release(identity: Identity) -> Command {
    Command::Release {
        identity,
        listeners: 3,
    }
}

/// The cases that every store passes.
struct Suite {
    store: Arc<dyn Store>,
    target: Target,
}

impl Suite {
    async fn ask(&self, command: Command) -> Reply {
        let answer = self.store.send(&self.target, &request(command)).await;
        answer.unwrap()
    }

    /// Takes the record, whether the store lets a missing one be taken at once or only watched.
    async fn win(&self, identity: Identity) -> Record {
        let first = self.ask(acquire(identity, None)).await;
        let reply = match first.outcome {
            Outcome::Granted => first,
            _ => {
                let watched = first.record.unwrap().version;
                self.ask(acquire(identity, Some(watched))).await
            }
        };
        assert_eq!(reply.outcome, Outcome::Granted);
        reply.record.unwrap()
    }

    async fn run(self) {
        assert_eq!(self.ask(Command::Inspect).await.record, None);
        let gone = self.ask(release(MINE)).await;
        assert_eq!((gone.outcome, gone.record), (Outcome::Stale, None));

        let mut messages = self.store.subscribe(&self.target);
        let won = self.win(MINE).await;
        assert_eq!(won.holder, Some(MINE));
        assert_eq!(&*won.server, "server one");
        assert_eq!(won.ttl, TTL);
        assert!(won.token > Token::NONE && won.same_run && !won.released);

        let again = self.ask(acquire(MINE, None)).await;
        assert_eq!(again.outcome, Outcome::Granted, "the first reply was lost");
        let again = again.record.unwrap();
        assert_eq!(again.token, won.token);
        assert_eq!(again.version.seq, won.version.seq + 1);

        let refused = self.ask(acquire(OTHER, Some(won.version.clone()))).await;
        assert_eq!(refused.outcome, Outcome::Refused, "watched too early");
        assert_eq!(refused.record, Some(again.clone()));
        assert_eq!(refused.listeners, None, "nothing was written");

        let renewed = self.ask(renew(MINE, won.token, None)).await;
        assert_eq!(renewed.outcome, Outcome::Renewed);
        let renewed = renewed.record.unwrap();
        let stolen = self.ask(renew(OTHER, won.token, None)).await;
        assert_eq!(stolen.outcome, Outcome::Lost);
        let not_mine = self.ask(release(OTHER)).await;
        assert_eq!(not_mine.outcome, Outcome::NotMine);

        let newer = Token::new(won.token.get() + 1);
        let stale = self.ask(renew(OTHER, newer, None)).await;
        assert_eq!(
            stale.outcome,
            Outcome::Stale,
            "older than the grant in hand"
        );
        let version = stale.record.unwrap().version;
        assert_eq!(version, renewed.version);
        let written = self.ask(renew(OTHER, newer, Some(version.clone()))).await;
        assert_eq!(written.outcome, Outcome::Renewed, "over what was shown");
        let too_late = self.ask(renew(MINE, won.token, Some(version))).await;
        assert_eq!(too_late.outcome, Outcome::Lost);

        let released = self.ask(release(OTHER)).await;
        assert_eq!(released.outcome, Outcome::Released);
        assert!(released.record.unwrap().released);
        let late = self.ask(acquire(OTHER, None)).await;
        assert_eq!(late.outcome, Outcome::Refused, "its own released term");
        let next = self.ask(acquire(MINE, None)).await;
        assert_eq!(next.outcome, Outcome::Granted);
        assert!(next.record.unwrap().token > newer);

        // Hints, but nothing here loses any.
        let mut last = None;
        while last != Some(Change::Released) {
            let message = messages.recv().await.unwrap();
            if message.change == Change::Released {
                assert_eq!(message.record.holder, Some(OTHER));
                assert_eq!(message.listeners, 3);
            }
            last = Some(message.change);
        }
    }
}

#[tokio::test]
async fn the_store_in_memory_passes_the_suite() {
    let store = MemoryStore::named("the suite", || 1_795_000_000_000_000);
    let target = target("suite");
    Suite { store, target }.run().await;
}

#[tokio::test]
async fn the_store_on_redis_passes_the_suite() {
    let server = RedisServer::start();
    let source = RedisSource::parse_url(&server.url()).unwrap();
    let store = Arc::new(RedisStore::open(source, &Handle::current()));
    let target = target("suite");
    Suite { store, target }.run().await;
}

/// Which version a command carries: of those that its identity has been shown.
#[derive(Clone, Copy, Debug)]
enum Shown {
    None,
    Last,
    Earlier,
}

#[derive(Clone, Debug)]
enum Step {
    Acquire(usize, Shown),
    Renew(usize, Shown),
    /// With a token above all that were granted, as after a loss of data.
    RenewNewer(usize, Shown),
    Release(usize),
    Inspect,
    /// The record is gone: flushed, evicted.
    Lose,
    /// The server goes on with another replication id, as after a failover.
    AnotherRun,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..IDENTITIES;
    let shown = prop_oneof![Just(Shown::None), Just(Shown::Last), Just(Shown::Earlier)];
    let step = prop_oneof![
        4 => (who.clone(), shown.clone()).prop_map(|(who, shown)| Step::Acquire(who, shown)),
        4 => (who.clone(), shown.clone()).prop_map(|(who, shown)| Step::Renew(who, shown)),
        1 => (who.clone(), shown).prop_map(|(who, shown)| Step::RenewNewer(who, shown)),
        2 => who.prop_map(Step::Release),
        1 => Just(Step::Inspect),
        1 => Just(Step::Lose),
        1 => Just(Step::AnotherRun),
    ];
    prop::collection::vec(step, 1..30)
}

/// What one of the two worlds has shown so far. Its tokens, epochs and runs are its own, hence they
/// are compared by the order in which they came up.
#[derive(Default)]
struct World {
    last: [Option<Version>; IDENTITIES],
    earlier: [Option<Version>; IDENTITIES],
    tokens: [Token; IDENTITIES],
    known_tokens: Vec<Token>,
    known_epochs: Vec<u64>,
    known_runs: Vec<Arc<str>>,
}

impl World {
    fn command(&self, step: &Step) -> Option<Command> {
        let version = |who: usize, shown: Shown| match shown {
            Shown::None => None,
            Shown::Last => self.last[who].clone(),
            Shown::Earlier => self.earlier[who].clone(),
        };
        let name = |who: usize| Identity::new(who as u128 + 1);
        Some(match *step {
            Step::Acquire(who, shown) => acquire(name(who), version(who, shown)),
            Step::Renew(who, shown) => renew(name(who), self.tokens[who], version(who, shown)),
            Step::RenewNewer(who, shown) => {
                let highest = self.known_tokens.iter().max().map_or(0, |t| t.get());
                renew(name(who), Token::new(highest + 1), version(who, shown))
            }
            Step::Release(who) => release(name(who)),
            Step::Inspect => Command::Inspect,
            Step::Lose | Step::AnotherRun => return None,
        })
    }

    /// The reply in words that are the same in both worlds.
    fn show(&mut self, step: &Step, reply: &Reply, published: bool) -> String {
        let record = reply.record.as_ref().map(|record| {
            if let Step::Acquire(who, _) | Step::Renew(who, _) | Step::RenewNewer(who, _) = *step {
                self.earlier[who] = self.last[who].replace(record.version.clone());
                if matches!(reply.outcome, Outcome::Granted | Outcome::Renewed) {
                    self.tokens[who] = record.token;
                }
            }
            format!(
                "token {}, {} of epoch {} in run {}, holder {:?}, {:?}, released {}, same run {}",
                place(&mut self.known_tokens, record.token),
                record.version.seq,
                place(&mut self.known_epochs, record.version.epoch),
                place(&mut self.known_runs, record.version.run.clone()),
                record.holder,
                record.ttl,
                record.released,
                record.same_run,
            )
        });
        format!("{:?}, published {published}: {record:?}", reply.outcome)
    }
}

fn place<T: PartialEq>(known: &mut Vec<T>, value: T) -> usize {
    known
        .iter()
        .position(|one| *one == value)
        .unwrap_or_else(|| {
            known.push(value);
            known.len() - 1
        })
}

#[test]
fn the_register_and_the_scripts_agree_step_by_step() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let redis = RedisServer::start_with(&["--enable-debug-command", "local"]);
    let source = RedisSource::parse_url(&redis.url()).unwrap();
    let store = RedisStore::open(source, runtime.handle());
    let connection = RefCell::new(redis.connect());
    let number = Cell::new(0);
    let config = ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let result = runner.run(&steps(), |steps| {
        number.set(number.get() + 1);
        let target = target(&format!("agreement {}", number.get()));
        let key = format!("primary:{{{}}}", target.name);
        let (mut real, mut imaginary) = (World::default(), World::default());
        let mut register = Register::default();
        let mut run = 0;
        let mut server = Server::new("a", "0");
        let mut story = Vec::new();
        for step in steps {
            server.wall_micros += 1_000;
            match step {
                Step::Lose => {
                    redis::cmd("DEL")
                        .arg(&key)
                        .exec(&mut connection.borrow_mut())
                        .unwrap();
                    register.lose();
                }
                Step::AnotherRun => {
                    let mut debug = redis::cmd("DEBUG");
                    debug
                        .arg("CHANGE-REPL-ID")
                        .exec(&mut connection.borrow_mut())
                        .unwrap();
                    run += 1;
                    let wall_micros = server.wall_micros;
                    server = Server::new("a", &run.to_string());
                    server.wall_micros = wall_micros;
                }
                _ => (),
            }
            let (Some(asked), Some(imagined)) = (real.command(&step), imaginary.command(&step))
            else {
                story.push(format!("{step:?}"));
                continue;
            };
            let reply = runtime
                .block_on(store.send(&target, &request(asked)))
                .unwrap();
            let published = reply.listeners.is_some();
            let shown = real.show(&step, &reply, published);
            let applied = register.apply(&server, &target.server, &imagined).unwrap();
            let expected = imaginary.show(&step, &applied.reply, applied.message.is_some());
            story.push(format!("{step:?}: {shown}"));
            prop_assert_eq!(shown, expected, "after\n{}", story.join("\n"));
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

const IDENTITIES: usize = 3;
