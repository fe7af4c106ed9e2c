use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::Server;
use super::names::Names;
use crate::election::run::{RunCommand, RunOutcome, RunRequest};
use crate::election::{Command, Failure, Message, Reply, Request, Token};
use crate::store::{
    Answering, Answers, CommandReply, CredentialStore, ElectionLook, FenceOutcome, FenceRequest,
    FenceStore, ListLook, LookStore, ReadAgain, Reader, RecordLook, RosterLook, RunAnswers,
    RunStore, Store, Target,
};

/// `memory://name`: elections within one process, for tests.
///
/// One per process and name, answering at once. A missing record is taken at once: nobody outside
/// this process can hold it. What nobody uses any more is forgotten, see [`Names`].
pub struct MemoryStore {
    name: String,
    server: Server,
    wall_micros: fn() -> u64,
    names: Mutex<Names>,
}

impl MemoryStore {
    pub(super) fn new(name: &str, wall_micros: fn() -> u64) -> Self {
        let mut server = Server::new("memory", "memory");
        server.uptime = Duration::MAX;
        MemoryStore {
            name: name.to_owned(),
            server,
            wall_micros,
            names: Mutex::default(),
        }
    }

    /// Nothing in it means anything to anybody: another in its place would answer alike.
    pub(super) fn is_idle(&self) -> bool {
        let mut names = self.names();
        names.forget((self.wall_micros)());
        names.is_empty()
    }

    fn apply(&self, target: &Target, command: &Command) -> Result<Reply, Failure> {
        let now = (self.wall_micros)();
        let mut names = self.names();
        names.tidy(now);
        let command = eagerly(command, names.forgotten());
        let contest = names.election(&target.name);
        let mut server = self.server.clone();
        server.wall_micros = now;
        let before = contest.register.record(&server);
        let applied = contest.register.apply(&server, &target.server, &command)?;
        let mut reply = applied.reply;
        let written = (before.as_ref(), &reply);
        contest.journal.note(now, target, &command, written);
        if let Some(message) = applied.message {
            contest.written(now, &message.record);
            contest
                .subscribers
                .retain(|subscriber| subscriber.send(message.clone()).is_ok());
            // The caller listens too, and is not one of the others.
            let others = contest.subscribers.len().saturating_sub(1);
            reply.listeners = Some(u32::try_from(others).unwrap_or(u32::MAX));
        }
        Ok(reply)
    }

    /// The roster of an election: each entry with its last sight, in ms since 1970.
    pub fn standbys(&self, target: &Target) -> Vec<(Arc<str>, u64)> {
        self.names().election(&target.name).journal.standbys()
    }

    /// The last changes of an election, the latest first.
    pub fn changes(&self, target: &Target) -> Vec<String> {
        self.names().election(&target.name).journal.changes()
    }

    fn see(&self, request: &FenceRequest) -> FenceOutcome {
        let mut names = self.names();
        names.tidy((self.wall_micros)());
        let highest = names.highest(&request.resource, &request.lease);
        if *highest > request.token {
            return FenceOutcome::Stale { highest: *highest };
        }
        *highest = request.token;
        FenceOutcome::Passed(CommandReply::Nothing)
    }

    fn apply_run(&self, resource: &str, command: &RunCommand) -> RunOutcome {
        let now = (self.wall_micros)();
        let mut names = self.names();
        names.tidy(now);
        let resource = names.resource(resource);
        let applied = resource.register.apply(now, command);
        if let Some(delay) = applied.released {
            resource
                .waiting
                .retain(|waiting| waiting.send(delay).is_ok());
        }
        applied.outcome
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        // A panic elsewhere leaves plain data that is still whole.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn ask(&self, target: &Target, campaign: u64, request: Request, answers: &Arc<dyn Answers>) {
        let answer = self.apply(target, &request.command);
        answers.answer(campaign, request, answer);
    }

    fn subscribe(&self, target: &Target) -> mpsc::UnboundedReceiver<Message> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut names = self.names();
        names.election(&target.name).subscribers.push(sender);
        receiver
    }
}

impl RunStore for MemoryStore {
    fn send_run(
        &self,
        resource: &Arc<str>,
        run: u64,
        request: RunRequest,
        answers: &Arc<dyn RunAnswers>,
    ) {
        let outcome = self.apply_run(resource, &request.command);
        answers.answer(run, request, Ok(outcome));
    }

    fn subscribe_releases(&self, resource: &str) -> mpsc::UnboundedReceiver<Duration> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.names().resource(resource).waiting.push(sender);
        receiver
    }
}

impl FenceStore for MemoryStore {
    fn fence(&self, request: FenceRequest) -> Answering<FenceOutcome> {
        let outcome = match &request.command {
            Some(_) => FenceOutcome::Unfit {
                why: format!("memory://{} has no commands", self.name).into(),
            },
            None => self.see(&request),
        };
        Box::pin(std::future::ready(Ok(outcome)))
    }
}

impl LookStore for MemoryStore {
    fn look(&self, name: &str, _within: Option<Duration>) -> Answering<ElectionLook> {
        let micros = (self.wall_micros)();
        let names = self.names();
        let known = names.known(name);
        let record = known.and_then(|contest| {
            let record = contest.register.record(&self.server)?;
            Some(RecordLook::Record {
                token: record.token.get(),
                held: record.holder.is_some() && !record.released,
                ttl: u64::try_from(record.ttl.as_millis()).unwrap_or(u64::MAX),
                at: contest.at,
                since: contest.since,
                server: record.server.to_string(),
                asked: contest.register.is_asked(),
                log: contest.journal.changes().join("\n"),
            })
        });
        let standbys = known.map(|contest| contest.journal.standbys());
        let standbys: Vec<_> = standbys
            .unwrap_or_default()
            .into_iter()
            .map(|(entry, seen)| (entry.to_string(), seen))
            .collect();
        let count = standbys.len() as u64;
        Box::pin(std::future::ready(Ok(ElectionLook {
            micros,
            record: record.unwrap_or(RecordLook::Missing),
            standbys: RosterLook::Read { standbys, count },
        })))
    }

    /// None: nobody else is in this process, and nothing in it outlives it.
    fn list(&self, _cursor: u64, _within: Option<Duration>) -> Answering<ListLook> {
        Box::pin(std::future::ready(Ok(ListLook::default())))
    }
}

impl CredentialStore for MemoryStore {
    fn on_refusal(&self, _: Reader, _: ReadAgain) {}

    fn use_credentials(&self, _: Option<String>, _: Option<String>) {}
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore(memory://{})", self.name)
    }
}

/// Every acquire is an eager start here, whatever the configuration says; and its token is above those
/// of elections that have been forgotten.
fn eagerly(command: &Command, forgotten: Token) -> Command {
    let mut command = command.clone();
    if let Command::Acquire { eager, floor, .. } = &mut command {
        *eager = Some(Duration::ZERO);
        *floor = forgotten.max(*floor);
    }
    command
}

#[cfg(test)]
mod tests;
