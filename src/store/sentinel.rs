//! Where the master is, by what its sentinels say.

mod asking;
mod choice;
mod listening;

use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::connection::{Connection, Role, Unopened};
use super::credentials::PresentSource;
use super::deadline::Deadline;
use super::socket::Progress;
use super::{Endpoint, RedisSource, SentinelSource};
use crate::election::Failure;
use asking::{ask_all, way_to};
use choice::{Testimony, candidates, learned};
use listening::keep_watch;

/// The sentinels of one source: what is asked of them, and what is heard of them while somebody needs
/// their master.
pub(super) struct Sentinels {
    source: Arc<RedisSource>,
    present: Arc<PresentSource>,
    given: SentinelSource,
    state: Mutex<SentinelsState>,
    /// Where the last server was that had been named, and said itself that it is a master.
    master: watch::Sender<Option<Endpoint>>,
}

struct SentinelsState {
    /// Those that the given ones tell of.
    learned: Vec<Endpoint>,
    /// Listens to them.
    watch: Option<JoinHandle<()>>,
    asked_at: Instant,
}

/// Why there is no connection to a master.
struct MissedMaster {
    why: Unopened,
    /// To ask again soon may help.
    passes: bool,
}

impl Sentinels {
    pub fn new(
        source: Arc<RedisSource>,
        present: Arc<PresentSource>,
        given: SentinelSource,
    ) -> Arc<Self> {
        let state = SentinelsState {
            learned: Vec::new(),
            watch: None,
            asked_at: Instant::now(),
        };
        Arc::new(Sentinels {
            source,
            present,
            given,
            state: Mutex::new(state),
            master: watch::Sender::new(None),
        })
    }

    /// Opens a connection to the master, which ends when there is another one. Nobody waits for it past
    /// `deadline`.
    pub async fn open(
        self: &Arc<Self>,
        deadline: &Deadline,
        progress: &Progress,
    ) -> Result<Connection, Unopened> {
        self.be_watched();
        let mut named = self.master.subscribe();
        loop {
            tokio::select! {
                // What was found now is news too.
                biased;
                found = self.find(deadline, progress) => {
                    let (at, connection) = found?;
                    return Ok(leave_with(connection, named, at));
                }
                // An old master that hangs is not waited for when another is found.
                Ok(()) = named.changed() => {}
            }
        }
    }

    /// Asks until somebody named is a master. What a sentinel says and what the server says can differ
    /// for a moment while a failover is under way.
    async fn find(
        &self,
        deadline: &Deadline,
        progress: &Progress,
    ) -> Result<(Endpoint, Connection), Unopened> {
        let mut pause = FIRST_PAUSE;
        loop {
            let testimonies = self.ask(deadline).await.map_err(Unopened::Failed)?;
            let setback = match self
                .try_each(candidates(&testimonies), deadline, progress)
                .await
            {
                Ok(found) => return Ok(found),
                Err(setback) => setback,
            };
            if !setback.passes || Instant::now() + 2 * pause > deadline.at() {
                return Err(setback.why);
            }
            sleep(pause).await;
            pause *= 2;
        }
    }

    /// The first of them that is a master. One is tried only where those before it are none for certain.
    async fn try_each(
        &self,
        candidates: Vec<Endpoint>,
        deadline: &Deadline,
        progress: &Progress,
    ) -> Result<(Endpoint, Connection), MissedMaster> {
        let mut first = None;
        for at in candidates {
            let way = RedisSource {
                host: at.host.clone(),
                port: at.port,
                sentinel: None,
                ..RedisSource::clone(&self.present.get())
            };
            let setback = match Connection::open_any(&way, deadline.at(), progress).await {
                Ok(connection) => match connection.expect_master(&way) {
                    Ok(()) => {
                        self.note_master(&at);
                        return Ok((at, connection));
                    }
                    Err(failure) => MissedMaster {
                        passes: connection.role == Role::Replica,
                        why: Unopened::Failed(failure),
                    },
                },
                Err(why) => {
                    let nobody_is_there = matches!(why, Unopened::Failed(Failure::Unknown { .. }));
                    let setback = MissedMaster { why, passes: false };
                    if !nobody_is_there {
                        return Err(first.unwrap_or(setback));
                    }
                    setback
                }
            };
            first.get_or_insert(setback);
        }
        Err(first.unwrap_or_else(|| MissedMaster {
            why: Unopened::Failed(self.unknown_name()),
            passes: false,
        }))
    }

    /// What those say that answer.
    async fn ask(&self, deadline: &Deadline) -> Result<Vec<Testimony>, Failure> {
        let asked = self.all();
        let given = self.given.sentinels.len();
        let ways = asked.iter().map(|at| way_to(&self.source, &self.given, at));
        let heard = ask_all(ways, &self.given, deadline).await;
        let answered = heard
            .iter()
            .filter(|(at, said)| *at < given && said.is_ok());
        let answered = answered.count();
        let mut testimonies = Vec::new();
        let mut failures = Vec::new();
        for (_, said) in heard {
            match said {
                Ok(testimony) => testimonies.push(testimony),
                Err(failure) => failures.push(failure),
            }
        }
        if self.given.learns && !testimonies.is_empty() {
            self.state().learned = learned(&self.given.sentinels, answered, &testimonies);
        }
        let unknown = testimonies
            .iter()
            .all(|testimony| testimony.master.is_none());
        match unknown {
            false => Ok(testimonies),
            true if 2 * testimonies.len() > asked.len() => Err(self.unknown_name()),
            // Somebody who could not be asked may know it.
            true => Err(combined(&failures)),
        }
    }

    /// Looks for the master, and says whether to look again: there are sentinels, and no master.
    async fn look(&self, deadline: &Deadline) -> bool {
        let Ok(testimonies) = self.ask(deadline).await else {
            // They are heard when they are back.
            return false;
        };
        let tried = timeout_at(
            deadline.at(),
            self.try_each(candidates(&testimonies), deadline, &Progress::default()),
        )
        .await;
        !matches!(tried, Ok(Ok(_)))
    }

    fn unknown_name(&self) -> Failure {
        let cause = format!("the sentinels know no master named '{}'", self.given.name);
        Failure::Denied {
            cause: cause.into(),
        }
    }

    /// Those that are asked: the given ones first.
    fn all(&self) -> Vec<Endpoint> {
        let learned = self.state().learned.clone();
        self.given
            .sentinels
            .iter()
            .cloned()
            .chain(learned)
            .collect()
    }

    fn note_master(&self, at: &Endpoint) {
        self.master.send_if_modified(|master| {
            if master.as_ref() == Some(at) {
                return false;
            }
            if let Some(from) = master.replace(at.clone()) {
                tracing::info!(redis = %self.source, %from, to = %at, "the master has moved");
            }
            true
        });
    }

    fn be_watched(self: &Arc<Self>) {
        let mut state = self.state();
        state.asked_at = Instant::now();
        if state.watch.as_ref().is_none_or(JoinHandle::is_finished) {
            state.watch = Some(tokio::spawn(keep_watch(Arc::downgrade(self))));
        }
    }

    /// Nobody has a connection to the master, or has tried to open one for a while.
    fn is_unused(&self) -> bool {
        self.master.receiver_count() == 0 && self.state().asked_at.elapsed() > LINGER
    }

    fn state(&self) -> MutexGuard<'_, SentinelsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sentinels {
    fn drop(&mut self) {
        if let Some(watch) = self.state().watch.take() {
            watch.abort();
        }
    }
}

impl fmt::Debug for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sentinels")
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

/// The same connection, which ends when the master is not `at` that place any more.
fn leave_with(
    mut connection: Connection,
    mut named: watch::Receiver<Option<Endpoint>>,
    at: Endpoint,
) -> Connection {
    connection.leave_when(async move {
        let moved = named
            .wait_for(|master| master.as_ref() != Some(&at))
            .await
            .is_ok();
        if !moved {
            pending().await
        }
    });
    connection
}

/// Why no sentinel could be asked: what a person has to fix before what may pass.
fn combined(failures: &[Failure]) -> Failure {
    let causes: Vec<&str> = failures.iter().map(|failure| &**failure.cause()).collect();
    let cause = match causes.is_empty() {
        true => "no sentinel answers".into(),
        false => format!("no sentinel can be asked: {}", causes.join("; ")).into(),
    };
    let is = |kind: fn(&Failure) -> bool| failures.iter().any(kind);
    if is(|failure| matches!(failure, Failure::Denied { .. })) {
        Failure::Denied { cause }
    } else if is(|failure| matches!(failure, Failure::Refused { .. })) {
        Failure::Refused { cause }
    } else {
        Failure::Unknown { cause }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// How long the sentinels are listened to when nobody needs their master any more.
const LINGER: Duration = Duration::from_secs(10);
