//! The register of the simulation and the real scripts, compared step by step: the imaginary Redis and
//! the real one have to agree, or the simulation proves nothing.

mod commands;
mod redis_server;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use commands::{PATIENCE, next, release, renew, request, target};
use primary_lease::election::{
    Command, Failure, Identity, Message, Outcome, Reply, Token, Version,
};
use primary_lease::store::{Field, RedisSource, RedisStore, Register, Server, Store, Tells};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use redis_server::RedisServer;
use tokio::time::timeout;

/// Which version a command carries: of those that its identity has been shown.
#[derive(Clone, Copy, Debug)]
enum Shown {
    Nothing,
    Last,
    Earlier,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire {
        who: usize,
        watched: Shown,
        ttl: u64,
        /// The floor is the highest token that was ever shown, plus this: an hour is above any clock.
        above: Option<u64>,
        /// Where it is refused, this rank is entered.
        rank: Option<u8>,
    },
    Renew(usize, Shown),
    /// With a token above all that were granted, as a holder has after a roll-back.
    RenewNewer(usize, Shown),
    Release(usize),
    Inspect,
    /// The record is gone: flushed, evicted.
    Lose,
    /// A field of the record becomes unreadable.
    Spoil(Field),
    /// What is there now is kept, for a roll-back.
    Snapshot,
    /// What was kept comes back on a server of another replication id, as after a failover.
    RollBack,
    /// The server goes on with another replication id.
    AnotherRun,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..IDENTITIES;
    let shown = prop_oneof![
        Just(Shown::Nothing),
        Just(Shown::Last),
        Just(Shown::Earlier)
    ];
    let floor = prop_oneof![Just(None), Just(Some(0)), Just(Some(AN_HOUR))];
    // No rank is forgotten before the end.
    let ttl = 60_000_u64..900_000;
    let rank = prop::option::of(0..7_u8);
    let acquire = (who.clone(), shown.clone(), ttl, floor, rank).prop_map(
        |(who, watched, ttl, above, rank)| Step::Acquire {
            who,
            watched,
            ttl,
            above,
            rank,
        },
    );
    let spoilt = prop_oneof![
        Just(Field::Token),
        Just(Field::TokenBeyondAll),
        Just(Field::Identity),
        Just(Field::Other),
    ];
    let step = prop_oneof![
        5 => acquire,
        4 => (who.clone(), shown.clone()).prop_map(|(who, over)| Step::Renew(who, over)),
        2 => (who.clone(), shown).prop_map(|(who, over)| Step::RenewNewer(who, over)),
        2 => who.prop_map(Step::Release),
        1 => Just(Step::Inspect),
        1 => Just(Step::Lose),
        2 => spoilt.prop_map(Step::Spoil),
        1 => Just(Step::Snapshot),
        1 => Just(Step::RollBack),
        1 => Just(Step::AnotherRun),
    ];
    prop::collection::vec(step, 1..40)
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
    known_incarnations: Vec<Arc<str>>,
    /// The epoch and the token of the record that was shown last.
    present: Option<(u64, Token)>,
}

impl World {
    fn highest(&self) -> u64 {
        self.known_tokens
            .iter()
            .max()
            .map_or(0, |token| token.get())
    }

    /// `None` for what happens to the server.
    fn command(&self, step: Step) -> Option<Command> {
        let version = |who: usize, shown: Shown| match shown {
            Shown::Nothing => None,
            Shown::Last => self.last[who].clone(),
            Shown::Earlier => self.earlier[who].clone(),
        };
        let name = |who: usize| Identity::new(who as u128 + 1);
        Some(match step {
            Step::Acquire {
                who,
                watched,
                ttl,
                above,
                rank,
            } => Command::Acquire {
                identity: name(who),
                ttl: Duration::from_millis(ttl),
                floor: Token::new(above.map_or(0, |above| self.highest() + above)),
                watched: version(who, watched),
                eager: None,
                rank: rank.map(|place| RANKS[usize::from(place)].parse().unwrap()),
                nonce: commands::NONCE,
            },
            Step::Renew(who, over) => {
                renew(name(who), self.tokens[who], version(who, over).as_ref())
            }
            Step::RenewNewer(who, over) => {
                let newer = Token::new(self.highest() + 1);
                renew(name(who), newer, version(who, over).as_ref())
            }
            Step::Release(who) => release(name(who)),
            Step::Inspect => Command::Inspect,
            Step::Lose | Step::Spoil(_) | Step::Snapshot | Step::RollBack | Step::AnotherRun => {
                return None;
            }
        })
    }

    /// The reply and the message in words that are the same in both worlds.
    fn show(
        &mut self,
        step: Step,
        floor: Token,
        reply: &Reply,
        message: Option<&Message>,
    ) -> String {
        let told = message.map(|message| {
            assert_eq!(Some(&message.record), reply.record.as_ref());
            (message.change, message.listeners)
        });
        let Some(record) = &reply.record else {
            return format!("{:?}, told {told:?}", reply.outcome);
        };
        let granted = reply.outcome == Outcome::Granted;
        let new = !self.known_tokens.contains(&record.token);
        if granted && new {
            // What was lost is not known any more, but by the caller's floor.
            let known = self
                .present
                .filter(|(epoch, _)| *epoch == record.version.epoch);
            let known = known.map_or(floor, |(_, token)| token.max(floor));
            assert!(record.token > known, "a new token does not rise");
        }
        self.present = Some((record.version.epoch, record.token));
        if let Step::Acquire { who, .. } | Step::Renew(who, _) | Step::RenewNewer(who, _) = step {
            self.earlier[who] = self.last[who].replace(record.version.clone());
            if matches!(reply.outcome, Outcome::Granted | Outcome::Renewed) {
                self.tokens[who] = record.token;
            }
        }
        format!(
            "{:?}, told {told:?}: token {}, seq {} of epoch {} in run {}, {:?} on {:?}, {:?}, \
             released {}, same run {}, ranks {}",
            reply.outcome,
            place(&mut self.known_tokens, &record.token),
            record.version.seq,
            place(&mut self.known_epochs, &record.version.epoch),
            place(&mut self.known_incarnations, &record.version.incarnation),
            record.holder,
            record.server,
            record.ttl,
            record.released,
            record.same_incarnation,
            record.ranks,
        )
    }
}

fn floor_of(command: &Command) -> Token {
    match command {
        Command::Acquire { floor, .. } => *floor,
        _ => Token::NONE,
    }
}

fn place<T: PartialEq + Clone>(known: &mut Vec<T>, value: &T) -> usize {
    let found = known.iter().position(|one| one == value);
    found.unwrap_or_else(|| {
        known.push(value.clone());
        known.len() - 1
    })
}

/// The imaginary server, with what was kept of it.
struct Imaginary {
    register: Register,
    kept: Register,
    server: Server,
    tells: Tells,
    runs: u64,
}

impl Imaginary {
    fn begin_run(&mut self) {
        self.runs += 1;
        let before = self.server.clone();
        self.server = Server::new("a", &self.runs.to_string()).telling(self.tells);
        self.server.wall_micros = before.wall_micros;
        self.server.failover_unsafe = before.failover_unsafe;
    }
}

/// One election on the real server, over a connection that does to it what befalls servers.
struct Real<'a> {
    connection: &'a RefCell<redis::Connection>,
    key: String,
    kept: Option<Vec<u8>>,
}

impl Real<'_> {
    fn run<T: redis::FromRedisValue>(&self, command: &mut redis::Cmd) -> T {
        command.query(&mut self.connection.borrow_mut()).unwrap()
    }

    fn lose(&self) {
        self.run::<()>(redis::cmd("DEL").arg(&self.key));
    }

    /// What the register knows as one field is any of them here.
    fn spoil(&self, field: Field, which: usize) {
        let (name, value) = match field {
            Field::Token => ("token", "?"),
            Field::TokenBeyondAll => ("token", "9007199254740992"),
            Field::Identity => ("identity", "?"),
            Field::Other => {
                let others = ["seq", "epoch", "run", "nonce", "released", "ttl"];
                (others[which % others.len()], "?")
            }
        };
        if self.run::<bool>(redis::cmd("EXISTS").arg(&self.key)) {
            self.run::<()>(redis::cmd("HSET").arg(&self.key).arg(name).arg(value));
        }
    }

    fn begin_run(&self) {
        self.run::<()>(redis::cmd("DEBUG").arg("CHANGE-REPL-ID"));
    }

    fn snapshot(&mut self) {
        self.kept = self.run(redis::cmd("DUMP").arg(&self.key));
    }

    fn roll_back(&self) {
        self.lose();
        if let Some(kept) = &self.kept {
            let mut restore = redis::cmd("RESTORE");
            self.run::<()>(restore.arg(&self.key).arg(0).arg(&kept[..]));
        }
        self.begin_run();
    }

    fn subscribers(&self) -> usize {
        let mut count = redis::cmd("PUBSUB");
        let channel = format!("{}:changes:0", self.key);
        let (_, subscribers): (String, usize) = self.run(count.arg("NUMSUB").arg(channel));
        subscribers
    }
}

#[test]
fn the_register_and_the_scripts_agree_step_by_step() {
    agree(Tells::All, &[], 400);
}

#[test]
fn they_agree_where_the_server_does_not_tell_its_incarnation() {
    agree(Tells::Nothing, &["--rename-command", "INFO", "HIDDEN"], 200);
}

fn agree(tells: Tells, arguments: &[&str], cases: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let arguments = [&["--enable-debug-command", "local"], arguments].concat();
    let redis = RedisServer::start_with(&arguments);
    let mut source = RedisSource::parse_url(&redis.url()).unwrap();
    source.failover_unsafe = tells != Tells::All;
    let store = RedisStore::open(source, runtime.handle());
    let connection = RefCell::new(redis.connect());
    let number = Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let agreed = runner.run(&steps(), |steps| {
        number.set(number.get() + 1);
        let target = target(&format!("agreement {}", number.get()));
        let mut real = Real {
            connection: &connection,
            key: format!("primary:{{{}}}", target.name),
            kept: None,
        };
        let mut imaginary = Imaginary {
            register: Register::default(),
            kept: Register::default(),
            server: Server::new("a", "0").telling(tells),
            tells,
            runs: 0,
        };
        imaginary.server.failover_unsafe = tells != Tells::All;
        // As far above the first floors as the real server's clock is.
        imaginary.server.wall_micros = NOW;
        let (mut seen, mut imagined) = (World::default(), World::default());
        let mut messages = store.subscribe(&target);
        let subscribed = async {
            while real.subscribers() == 0 {
                tokio::task::yield_now().await;
            }
        };
        runtime.block_on(async { timeout(PATIENCE, subscribed).await.unwrap() });
        let mut story = Vec::new();
        for step in steps {
            imaginary.server.wall_micros += 1_000_000;
            match step {
                Step::Lose => {
                    real.lose();
                    imaginary.register.lose();
                }
                Step::Spoil(field) => {
                    real.spoil(field, story.len());
                    imaginary.register.spoil(field);
                }
                Step::Snapshot => {
                    real.snapshot();
                    imaginary.kept = imaginary.register.clone();
                }
                Step::RollBack => {
                    (seen.present, imagined.present) = (None, None);
                    real.roll_back();
                    imaginary.register = imaginary.kept.clone();
                    imaginary.begin_run();
                }
                Step::AnotherRun => {
                    real.begin_run();
                    imaginary.begin_run();
                }
                _ => (),
            }
            let (Some(command), Some(same)) = (seen.command(step), imagined.command(step)) else {
                story.push(format!("{step:?}"));
                continue;
            };
            let request = request(command);
            let answered = runtime.block_on(async {
                let reply = match store.send(&target, &request).await {
                    Ok(reply) => reply,
                    Err(Failure::Denied { .. }) => return None,
                    Err(failure) => panic!("{failure:?}"),
                };
                let message = match reply.listeners {
                    Some(_) => Some(next(&mut messages).await),
                    None => None,
                };
                Some((reply, message))
            });
            let applied = imaginary
                .register
                .apply(&imaginary.server, &target.server, &same);
            let (Some((reply, message)), Ok(applied)) = (answered, applied.clone()) else {
                story.push(format!("{step:?}: denied, {applied:?}"));
                prop_assert!(applied.is_err(), "after\n{}", story.join("\n"));
                continue;
            };
            let shown = seen.show(step, floor_of(&request.command), &reply, message.as_ref());
            let floor = floor_of(&same);
            let expected = imagined.show(step, floor, &applied.reply, applied.message.as_ref());
            story.push(format!("{step:?}: {shown}"));
            prop_assert_eq!(shown, expected, "after\n{}", story.join("\n"));
        }
        Ok(())
    });
    agreed.unwrap_or_else(|error| panic!("{error}"));
}

/// In the order of a locale they would be others.
const RANKS: [&str; 7] = [
    "0999", "1000", "1000~", "1000a!", "1000B!", "1000b!", "1001-",
];
const IDENTITIES: usize = 3;
const AN_HOUR: u64 = 3_600_000_000;
const NOW: u64 = 1_795_000_000_000_000;
