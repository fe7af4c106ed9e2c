//! The register of run leases and the real scripts, compared step by step: the imaginary Redis and
//! the real one have to agree, or the simulation proves nothing.
//!
//! Neither waits for time. The register is handed a clock of its own; what runs out there is deleted
//! on the server. All durations are hours, so that no slow machine comes near one, and are compared
//! by which of them they are.

mod ask_run;
mod commands;
mod redis_server;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use ask_run::AskRun;
use commands::PATIENCE;
use commands::run::request;
use primary_lease::election::run::{RunCommand, RunOutcome, Tick};
use primary_lease::election::{Identity, Token};
use primary_lease::store::{RedisSource, RedisStore, RunRegister, RunStore};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use redis_server::RedisServer;
use tokio::time::timeout;

#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire {
        who: usize,
        tick: Option<i64>,
    },
    Begin(usize),
    Renew {
        who: usize,
    },
    /// With a token that was never granted.
    RenewNewer(usize),
    Release {
        who: usize,
        min_hold: Duration,
    },
    ReleaseNewer(usize),
    Withdraw {
        who: usize,
        tick: Option<i64>,
    },
    /// The lease, or what a release left behind, has run out.
    RunOut,
    /// So has the memory of all ticks.
    Forget,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..IDENTITIES;
    let tick = prop_oneof![2 => Just(None), 3 => (0..TICKS).prop_map(Some)];
    let min_hold = prop_oneof![
        2 => Just(Duration::ZERO),
        // Over before the next command, whatever the clock.
        1 => Just(Duration::from_micros(1)),
        1 => Just(MIN_HOLD),
    ];
    let asked = (who.clone(), tick);
    let step = prop_oneof![
        6 => asked.clone().prop_map(|(who, tick)| Step::Acquire { who, tick }),
        2 => who.clone().prop_map(Step::Begin),
        3 => who.clone().prop_map(|who| Step::Renew { who }),
        1 => who.clone().prop_map(Step::RenewNewer),
        4 => (who.clone(), min_hold).prop_map(|(who, min_hold)| Step::Release { who, min_hold }),
        1 => who.prop_map(Step::ReleaseNewer),
        2 => asked.prop_map(|(who, tick)| Step::Withdraw { who, tick }),
        1 => Just(Step::RunOut),
        1 => Just(Step::Forget),
    ];
    prop::collection::vec(step, 1..40)
}

/// What one of the two worlds has shown so far. Its tokens are its own, hence they are compared by
/// the order in which they came up.
#[derive(Default)]
struct World {
    tokens: [Token; IDENTITIES],
    known: Vec<Token>,
}

impl World {
    /// `None` for what time does.
    fn command(&self, step: Step) -> Option<RunCommand> {
        let identity = |who: usize| Identity::new(who as u128 + 1);
        let newer = || Token::new(self.known.last().map_or(1, |token| token.get() + 1));
        // The last of them is the present one of a schedule.
        let tick_of = |at: Option<i64>| {
            at.map(|at| match at < TICKS - 1 {
                true => Tick::at(at, MEMORY),
                false => Tick::every(MEMORY * 2),
            })
        };
        Some(match step {
            Step::Acquire { who, tick } => RunCommand::Acquire {
                identity: identity(who),
                ttl: TTL,
                tick: tick_of(tick),
            },
            Step::Begin(who) => RunCommand::Begin {
                identity: identity(who),
                token: self.tokens[who],
            },
            Step::Renew { who } => RunCommand::Renew {
                identity: identity(who),
                token: self.tokens[who],
                ttl: RENEWED,
            },
            Step::RenewNewer(who) => RunCommand::Renew {
                identity: identity(who),
                token: newer(),
                ttl: RENEWED,
            },
            Step::Release { who, min_hold } => RunCommand::Release {
                identity: identity(who),
                token: self.tokens[who],
                min_hold,
            },
            Step::ReleaseNewer(who) => RunCommand::Release {
                identity: identity(who),
                token: newer(),
                min_hold: Duration::ZERO,
            },
            Step::Withdraw { who, tick } => RunCommand::Withdraw {
                identity: identity(who),
                tick: tick_of(tick),
            },
            Step::RunOut | Step::Forget => return None,
        })
    }

    /// The outcome and the message in words that are the same in both worlds.
    fn show(&mut self, step: Step, outcome: RunOutcome, told: Option<Duration>) -> String {
        let shown = match outcome {
            RunOutcome::Granted { token, .. } => {
                let known = self.known.iter().position(|known| *known == token);
                let place = known.unwrap_or_else(|| {
                    assert!(self.known.last() < Some(&token), "{token} does not rise");
                    self.known.push(token);
                    self.known.len() - 1
                });
                if let Step::Acquire { who, .. } = step {
                    self.tokens[who] = token;
                }
                format!("granted the token {place}")
            }
            RunOutcome::Held(remaining) => format!("held for {}", nearly(remaining)),
            // A time on each one's own clock.
            RunOutcome::Pending(latest) => format!("pending, until a time {}", latest.is_some()),
            other => format!("{other:?}"),
        };
        format!("{shown}, told {:?}", told.map(nearly))
    }
}

/// Which of the durations that are drawn this is, less what has passed of it.
fn nearly(duration: Duration) -> &'static str {
    match duration {
        Duration::ZERO => "no time",
        _ if duration <= TTL => "a ttl",
        _ if duration <= RENEWED => "a renewed ttl",
        _ if duration <= MIN_HOLD => "a min hold",
        _ => panic!("{duration:?} was never asked for"),
    }
}

/// One resource on the real server.
struct Real<'a> {
    connection: &'a RefCell<redis::Connection>,
    key: String,
}

impl Real<'_> {
    fn run<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        redis::cmd(command[0])
            .arg(&command[1..])
            .query(&mut self.connection.borrow_mut())
            .unwrap()
    }

    fn run_out(&self) {
        self.run::<()>(&["DEL", &self.key]);
    }

    fn forget(&self) {
        self.run_out();
        for tick in 0..TICKS {
            self.run::<()>(&["DEL", &format!("{}:tick:{tick}", self.key)]);
        }
        self.run::<()>(&["DEL", &format!("{}:tick", self.key)]);
    }

    fn channel(&self) -> String {
        format!("{}:released:0", self.key)
    }

    fn subscribers(&self) -> usize {
        let (_, count): (String, usize) = self.run(&["PUBSUB", "NUMSUB", &self.channel()]);
        count
    }

    /// What is left behind for a second stays until it is told to run out; false where there is
    /// nothing, perhaps because the second has passed.
    fn keep(&self) -> bool {
        let left: i64 = self.run(&["PTTL", &self.key]);
        left > 1000 || self.run::<i64>(&["PEXPIRE", &self.key, "86400000"]) == 1
    }
}

#[test]
fn the_register_and_the_scripts_agree_step_by_step() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let redis = RedisServer::start();
    let source = RedisSource::parse_url(&redis.url()).unwrap();
    let store = RedisStore::open(source, runtime.handle());
    let connection = RefCell::new(redis.connect());
    let number = Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let agreed = runner.run(&steps(), |steps| {
        number.set(number.get() + 1);
        let resource = format!("agreement {}", number.get());
        let real = Real {
            connection: &connection,
            key: format!("lease:{{{resource}}}"),
        };
        let mut releases = store.subscribe_releases(&resource);
        let subscribed = async {
            while real.subscribers() == 0 {
                tokio::task::yield_now().await;
            }
        };
        // The first command opens the connection that subscribes.
        let nothing = request(RunCommand::Renew {
            identity: Identity::new(99),
            token: Token::new(1),
            ttl: TTL,
        });
        runtime.block_on(async {
            store.ask_run(&resource, &nothing).await.unwrap();
            timeout(PATIENCE, subscribed).await.unwrap();
        });
        let mut register = RunRegister::default();
        let mut now = NOW;
        let (mut seen, mut imagined) = (World::default(), World::default());
        let mut story = Vec::new();
        for step in steps {
            now += 1_000;
            let (Some(command), Some(same)) = (seen.command(step), imagined.command(step)) else {
                match step {
                    Step::Forget => {
                        real.forget();
                        now += micros(MEMORY);
                    }
                    _ => {
                        real.run_out();
                        now += micros(MIN_HOLD);
                    }
                }
                story.push(format!("{step:?}"));
                continue;
            };
            let (outcome, told) = runtime.block_on(async {
                let answer = store.ask_run(&resource, &request(command));
                let outcome = answer.await.unwrap();
                let told = match outcome {
                    RunOutcome::Released => {
                        let message = timeout(PATIENCE, releases.recv()).await;
                        Some(message.unwrap().unwrap())
                    }
                    _ => None,
                };
                (outcome, told)
            });
            let shown = seen.show(step, outcome, told);
            let applied = register.apply(now, &same);
            let expected = imagined.show(step, applied.outcome, applied.released);
            story.push(format!("{step:?}: {shown}"));
            prop_assert_eq!(shown, expected, "after\n{}", story.join("\n"));
            if matches!(step, Step::Release { .. } | Step::Withdraw { .. }) && !real.keep() {
                now += micros(LEFT_BEHIND);
            }
        }
        // Nothing was told but what was waited for.
        real.run::<()>(&["PUBLISH", &real.channel(), "12345"]);
        let last = runtime.block_on(async { timeout(PATIENCE, releases.recv()).await.unwrap() });
        prop_assert_eq!(last, Some(Duration::from_millis(12_345)));
        Ok(())
    });
    agreed.unwrap_or_else(|error| panic!("{error}"));
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

const IDENTITIES: usize = 3;
const TICKS: i64 = 3;
const HOUR: Duration = Duration::from_secs(3600);
const TTL: Duration = HOUR;
const RENEWED: Duration = Duration::from_secs(2 * 3600);
const MIN_HOLD: Duration = Duration::from_secs(10 * 3600);
/// Longer than all that runs out in one sequence.
const MEMORY: Duration = Duration::from_secs(1000 * 3600);
const LEFT_BEHIND: Duration = Duration::from_secs(1);
const NOW: u64 = 1_795_000_000_000_000;
