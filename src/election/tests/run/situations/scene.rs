use std::time::Duration;

use crate::election::run::{
    Refusal, RunCommand, RunConfig, RunLease, RunOutcome, RunOutput, RunRequest, Tick, TickName,
};
use crate::election::{Failure, Identity, Random, Reason, Time, Token};

/// One lease with a ttl of 6 s, which makes round numbers: renewals every 2 s, commands unanswered
/// after 1 s, stepping down 4.66 s and the window's end 5.86 s after the send, a store without an
/// answer given up after 3 s.
#[derive(Clone)]
pub struct Scene {
    pub lease: RunLease,
    identity: Option<Identity>,
    sent: Vec<RunRequest>,
}

type Answer = Result<RunOutcome, Failure>;

pub const NOTHING: [&str; 0] = [];

pub fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1000)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn config() -> RunConfig {
    RunConfig::new(millis(6000))
}

pub fn granted(token: u64) -> Answer {
    granted_after(0, token)
}

/// Granted when the question had not been sent for so many milliseconds.
pub fn granted_after(waited: u64, token: u64) -> Answer {
    Ok(RunOutcome::Granted {
        token: Token::new(token),
        waited: millis(waited),
    })
}

pub fn held_for(remaining: u64) -> Answer {
    Ok(RunOutcome::Held(millis(remaining)))
}

pub fn unknown() -> Answer {
    Err(Failure::Unknown {
        cause: "timed out".into(),
    })
}

pub fn refused() -> Answer {
    Err(Failure::Refused {
        cause: "LOADING".into(),
    })
}

pub fn denied() -> Answer {
    Err(Failure::Denied {
        cause: "NOPERM".into(),
    })
}

impl Scene {
    pub fn with(config: RunConfig) -> Self {
        config.check("ttl").unwrap();
        Scene {
            lease: RunLease::new(config, Random::from_seed(1)),
            identity: None,
            sent: Vec::new(),
        }
    }

    /// Asked at time 0, as request 1.
    pub fn asking() -> Self {
        Scene::asking_with(config())
    }

    pub fn asking_with(config: RunConfig) -> Self {
        let mut scene = Scene::with(config);
        scene.act(|l| l.acquire(at(0)));
        scene
    }

    /// For the tick of second 5, which is remembered for an hour.
    pub fn asking_for_tick() -> Self {
        let memory = Duration::from_secs(3600);
        let tick = Some(Tick::at(5000, memory));
        Scene::asking_with(RunConfig { tick, ..config() })
    }

    /// Asked at time 0, to wait until 10,000; held by another for 4 s more at 100.
    pub fn waiting() -> Self {
        let wait = millis(10_000);
        let mut scene = Scene::asking_with(RunConfig { wait, ..config() });
        assert_eq!(scene.reply(100, 1, held_for(4000)), NOTHING);
        scene
    }

    /// Granted with token 7 by the request that was sent at time 0; the run has begun.
    pub fn holding() -> Self {
        let mut scene = Scene::asking();
        scene.reply(10, 1, granted(7));
        assert_eq!(scene.begin(10), NOTHING);
        scene
    }

    /// Lets something happen and shows everything that the rules want done about it.
    pub fn act(&mut self, verb: impl FnOnce(&mut RunLease)) -> Vec<String> {
        verb(&mut self.lease);
        let mut shown = Vec::new();
        while let Some(output) = self.lease.poll_output() {
            shown.push(self.show(output));
        }
        shown
    }

    /// Answers the request with this id.
    pub fn reply(&mut self, now: u64, id: u64, answer: Answer) -> Vec<String> {
        let request = self.sent[id as usize - 1].clone();
        self.act(|l| l.handle_reply(at(now), request, answer))
    }

    pub fn message(&mut self, now: u64, delay: u64) -> Vec<String> {
        self.act(|l| l.handle_message(at(now), millis(delay)))
    }

    pub fn timeout(&mut self, now: u64) -> Vec<String> {
        self.act(|l| l.handle_timeout(at(now)))
    }

    pub fn release(&mut self, now: u64) -> Vec<String> {
        self.act(|l| l.release(at(now)))
    }

    pub fn sent(&mut self, now: u64, id: u64) -> Vec<String> {
        self.act(|l| l.handle_sent(at(now), id))
    }

    pub fn hasten(&mut self, now: u64) -> Vec<String> {
        self.act(|l| l.hasten(at(now)))
    }

    pub fn begin(&mut self, now: u64) -> Vec<String> {
        self.act(|l| l.begin(at(now)))
    }

    pub fn abandon(&mut self, now: u64) -> Vec<String> {
        self.act(|l| l.abandon(at(now)))
    }

    pub fn miss(&mut self, now: u64) -> Vec<String> {
        self.act(|l| l.miss(at(now)))
    }

    pub fn stall(&mut self, now: u64) -> Vec<String> {
        self.act(|l| l.stall(at(now)))
    }

    /// When the rules want to be woken, in milliseconds.
    pub fn wakes_at(&self) -> Option<u64> {
        let time = self.lease.poll_timeout()?;
        assert_eq!(time.as_micros() % 1000, 0, "{time:?}");
        Some(time.as_micros() / 1000)
    }

    /// Wakes the rules whenever they want until `end`, and shows what they did and when.
    pub fn run_until(&mut self, end: u64) -> Vec<String> {
        let mut shown = Vec::new();
        while let Some(time) = self.lease.poll_timeout().filter(|time| *time <= at(end)) {
            let millis = time.as_micros() / 1000;
            let outputs = self.act(|l| l.handle_timeout(time));
            shown.extend(
                outputs
                    .into_iter()
                    .map(|output| format!("{millis}: {output}")),
            );
        }
        shown
    }

    fn show(&mut self, output: RunOutput) -> String {
        match output {
            RunOutput::Send(request) => {
                let command = self.show_command(&request.command);
                let (id, bound) = (request.id, request.bound.as_millis());
                self.sent.push(request);
                format!("{command} #{id} within {bound}")
            }
            RunOutput::Granted(grant) => {
                let until = grant.step_down_at.as_micros() / 1000;
                format!("granted {} until {until}", grant.token)
            }
            RunOutput::Refused(Refusal::Held) => "refused: held".into(),
            RunOutput::Refused(Refusal::Ran) => "refused: ran".into(),
            RunOutput::Refused(Refusal::Unavailable { cause }) => {
                format!("refused: unavailable: {cause}")
            }
            RunOutput::Refused(Refusal::Denied { cause }) => format!("refused: denied: {cause}"),
            RunOutput::Refused(Refusal::Abandoned) => "refused: abandoned".into(),
            RunOutput::Extended { step_down_at } => {
                format!("extended until {}", step_down_at.as_micros() / 1000)
            }
            RunOutput::LongRun { held } => format!("long run: {} s", held.as_secs()),
            RunOutput::Lost(end) => {
                let reason = match end.reason {
                    Reason::StoreLost => "store-lost",
                    Reason::Expired => "expired",
                    Reason::Superseded => "superseded",
                    Reason::Stalled => "stalled",
                    Reason::Failed => "failed",
                    other => panic!("{other:?} is no reason of a run lease"),
                };
                format!("lost {}: {reason}", end.token)
            }
            RunOutput::Released => "released".into(),
            RunOutput::Ended => "ended".into(),
        }
    }

    fn show_command(&mut self, command: &RunCommand) -> String {
        let for_tick = |tick: &Option<Tick>| match tick {
            Some(Tick {
                name: TickName::At(at),
                ..
            }) => format!(" for tick {at}"),
            Some(_) => " for the present tick".into(),
            None => String::new(),
        };
        let (words, identity) = match command {
            RunCommand::Acquire { identity, tick, .. } => {
                let latest = tick.and_then(|tick| tick.latest);
                let latest = latest.map_or_else(String::new, |at| format!(" until {at}"));
                (format!("acquire{}{latest}", for_tick(tick)), identity)
            }
            RunCommand::Begin { identity, token } => (format!("begin {token}"), identity),
            RunCommand::Renew {
                identity, token, ..
            } => (format!("renew {token}"), identity),
            RunCommand::Release {
                identity,
                token,
                min_hold,
            } => {
                let kept = match min_hold.as_millis() {
                    0 => String::new(),
                    millis => format!(" kept {millis}"),
                };
                (format!("release {token}{kept}"), identity)
            }
            RunCommand::Withdraw { identity, tick } => {
                (format!("withdraw{}", for_tick(tick)), identity)
            }
        };
        // All that one lease asks, it asks with one identity.
        assert_eq!(self.identity.get_or_insert(*identity), identity);
        words
    }
}
