use std::time::Duration;

use crate::election::{
    Answer, Command, Config, Election, Event, Failure, Identity, Message, Nonce, Notice, Outcome,
    Output, Random, Ranks, Record, Reply, Request, Time, Token, Version, WriteKind,
};

/// One candidate with a ttl of 6 s, which makes round numbers: renewals every 2 s, commands
/// unanswered after 1 s, stepping down 4.66 s and the window's end 5.86 s after the send, a watch
/// ripe after 6.14 s, polls every 3 s with messages and 2 s without.
pub struct Scene {
    pub election: Election,
    identities: Vec<Identity>,
    sent: Vec<Request>,
}

pub const OTHER: Identity = Identity::new(0xbad);

pub fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1000)
}

/// A record in its `seq`th version that nobody was granted.
pub fn created(seq: u64) -> Record {
    Record {
        version: Version {
            seq,
            epoch: 1,
            incarnation: "run".into(),
        },
        // Each version was written with another.
        nonce: Nonce::new(seq),
        token: Token::NONE,
        holder: None,
        server: "".into(),
        ttl: Duration::from_secs(6),
        released: false,
        same_incarnation: true,
        ranks: Ranks::default(),
    }
}

pub fn held_by(holder: Identity, token: u64, seq: u64) -> Record {
    let server = if holder == OTHER { "other" } else { "me" };
    Record {
        holder: Some(holder),
        token: Token::new(token),
        server: server.into(),
        ..created(seq)
    }
}

pub fn released_by(holder: Identity, token: u64, seq: u64) -> Record {
    Record {
        released: true,
        ..held_by(holder, token, seq)
    }
}

pub fn reply(outcome: Outcome, record: Record) -> Result<Reply, Failure> {
    Ok(Reply {
        outcome,
        record: Some(record),
        listeners: Some(1),
        asked: false,
    })
}

pub fn unknown() -> Result<Reply, Failure> {
    Err(Failure::Unknown {
        cause: "timed out".into(),
    })
}

pub fn refused() -> Result<Reply, Failure> {
    Err(Failure::Refused {
        cause: "LOADING".into(),
    })
}

pub fn denied() -> Result<Reply, Failure> {
    Err(Failure::Denied {
        cause: "WRONGPASS".into(),
    })
}

impl Scene {
    pub fn new() -> Self {
        Scene::with(Config::new(Duration::from_secs(6)))
    }

    pub fn with(config: Config) -> Self {
        config.check().unwrap();
        // In every situation renewals are due on time.
        let config = Config {
            renew_spread: Duration::ZERO,
            ..config
        };
        let election = Election::new(config, Random::from_seed(1));
        Scene {
            election,
            identities: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// A candidate that stands since time 0 and is listened to. At 10 ms it has seen `OTHER` renew
    /// the record that it holds with token 5, into version 1, and has answered its caller. Messages
    /// arrive.
    pub fn standby() -> Self {
        let mut scene = Scene::new();
        scene.act(|e| e.listen(at(0), true));
        scene.act(|e| e.campaign(at(0)));
        scene.reply(10, 1, reply(Outcome::Refused, held_by(OTHER, 5, 0)));
        scene.message(10, WriteKind::Renewed, held_by(OTHER, 5, 1));
        scene.reply(10, 2, reply(Outcome::Refused, held_by(OTHER, 5, 1)));
        scene
    }

    /// A listened-to primary with token 7, granted in version 2 by a request sent at time 0.
    pub fn primary() -> Self {
        let mut scene = Scene::new();
        scene.act(|e| e.listen(at(0), true));
        scene.act(|e| e.campaign(at(0)));
        let me = scene.identity('A');
        scene.reply(10, 1, reply(Outcome::Granted, held_by(me, 7, 2)));
        scene
    }

    /// The identity that was shown as this letter.
    pub fn identity(&self, letter: char) -> Identity {
        self.identities[letter as usize - 'A' as usize]
    }

    /// Lets something happen and shows everything that the rules want done about it.
    pub fn act(&mut self, verb: impl FnOnce(&mut Election)) -> Vec<String> {
        verb(&mut self.election);
        let mut shown = Vec::new();
        while let Some(output) = self.election.poll_output() {
            shown.push(self.show(output));
        }
        shown
    }

    /// Answers the request with this id.
    pub fn reply(&mut self, now: u64, id: u64, reply: Result<Reply, Failure>) -> Vec<String> {
        let request = self.sent[id as usize - 1].clone();
        self.act(|e| e.handle_reply(at(now), request, reply))
    }

    pub fn message(&mut self, now: u64, change: WriteKind, record: Record) -> Vec<String> {
        self.released_message(now, change, record, 1)
    }

    pub fn released_message(
        &mut self,
        now: u64,
        change: WriteKind,
        record: Record,
        listeners: u32,
    ) -> Vec<String> {
        self.act(|e| {
            e.handle_message(
                at(now),
                Message {
                    change,
                    record,
                    listeners,
                },
            )
        })
    }

    pub fn timeout(&mut self, now: u64) -> Vec<String> {
        self.act(|e| e.handle_timeout(at(now)))
    }

    /// When the rules want to be woken, in milliseconds.
    pub fn wakes_at(&self) -> Option<f64> {
        self.election
            .poll_timeout()
            .map(|time| time.as_micros() as f64 / 1000.0)
    }

    /// Wakes the rules whenever they want until `end`, and shows what they did and when.
    pub fn run_until(&mut self, end: u64) -> Vec<String> {
        let mut shown = Vec::new();
        while let Some(time) = self.election.poll_timeout().filter(|time| *time <= at(end)) {
            let millis = time.as_micros() / 1000;
            let outputs = self.act(|e| e.handle_timeout(time));
            shown.extend(
                outputs
                    .into_iter()
                    .map(|output| format!("{millis}: {output}")),
            );
        }
        shown
    }

    fn show(&mut self, output: Output) -> String {
        match output {
            Output::Send(request) => {
                self.sent.push(request.clone());
                let bound = request.bound.as_millis();
                format!(
                    "{} #{} within {bound}",
                    self.show_command(request.command),
                    request.id
                )
            }
            Output::Event(Event::Elected(grant)) => {
                format!(
                    "elected {} until {}",
                    grant.token,
                    grant.step_down_at.as_micros() / 1000
                )
            }
            Output::Event(Event::Lost { token, reason }) => {
                format!("lost {token}: {}", reason.word())
            }
            Output::Event(Event::RenewalLate {
                token,
                step_down_at,
            }) => {
                format!(
                    "renewal of {token} is late, until {}",
                    step_down_at.as_micros() / 1000
                )
            }
            Output::Event(Event::Renewed { token, .. }) => format!("renewed {token}"),
            Output::Asked { token, until } => {
                format!("asked for {token} until {}", until.as_micros() / 1000)
            }
            Output::Event(Event::Resigned {
                token: Some(token),
                reason,
            }) => {
                format!("resigned {token}: {}", reason.word())
            }
            Output::Event(Event::Resigned {
                token: None,
                reason,
            }) => {
                format!("resigned: {}", reason.word())
            }
            Output::Event(Event::PrimaryChanged(Some(primary))) => {
                format!("primary is {} with {}", primary.server, primary.token)
            }
            Output::Event(Event::PrimaryChanged(None)) => "no primary".into(),
            Output::Event(Event::Unavailable { cause }) => format!("unavailable: {cause}"),
            Output::Event(Event::Available) => "available".into(),
            Output::Answer(Answer::Elected(token)) => format!("answer: elected {token}"),
            Output::Answer(Answer::NotElected) => "answer: not elected".into(),
            Output::Answer(Answer::Unavailable { cause }) => {
                format!("answer: unavailable: {cause}")
            }
            Output::Answer(Answer::Denied { cause }) => format!("answer: denied: {cause}"),
            Output::Answer(Answer::Resigned) => "answer: resigned".into(),
            Output::Extended { step_down_at } => {
                format!("extended until {}", step_down_at.as_micros() / 1000)
            }
            Output::Notice(Notice::NobodyListens) => "notice: nobody listens".into(),
            Output::Unconfirmed => "unconfirmed".into(),
            Output::Ended => "ended".into(),
        }
    }

    fn show_command(&mut self, command: Command) -> String {
        match command {
            Command::Acquire {
                identity,
                floor,
                watched,
                eager,
                ..
            } => {
                let mut text = format!("acquire {} above {floor}", self.letter(identity));
                if let Some(version) = watched {
                    text += &format!(" watched {}", show_version(&version));
                }
                if let Some(eager) = eager {
                    text += &format!(" eager {}", eager.as_millis());
                }
                text
            }
            Command::Renew {
                identity,
                token,
                over,
                ..
            } => {
                let mut text = format!("renew {} {token}", self.letter(identity));
                if let Some(version) = over {
                    text += &format!(" over {}", show_version(&version));
                }
                text
            }
            Command::Release {
                identity,
                listeners,
                ..
            } => {
                format!("release {} to {listeners}", self.letter(identity))
            }
            Command::Inspect => "inspect".into(),
            Command::AskToResign { .. } => unreachable!("no candidate asks"),
        }
    }

    /// Identities are random: they are shown as letters in the order of their appearance.
    fn letter(&mut self, identity: Identity) -> char {
        let known = self.identities.iter().position(|known| *known == identity);
        let index = known.unwrap_or_else(|| {
            self.identities.push(identity);
            self.identities.len() - 1
        });
        (b'A' + index as u8) as char
    }
}

fn show_version(version: &Version) -> String {
    format!("{}.{}.{}", version.seq, version.epoch, version.incarnation)
}
