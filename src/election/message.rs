use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Identity, Nonce, Rank, Ranks, Time, Token};

/// What a record's state is compared by: every write adds 1 to `seq`, every creation draws a new
/// `epoch`, and `incarnation` names the Redis server's present life and data set.
///
/// Written `seq.epoch.incarnation`, which is how the scripts compare it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    pub seq: u64,
    pub epoch: u64,
    /// `run_id:master_replid` of the server that answered, at the time of its answer. Where it does not
    /// tell them, [`UNTOLD`], what it tells, and the nonce of the last write.
    pub incarnation: Arc<str>,
}

/// What the incarnation begins with where the server does not tell its own (`failoverUnsafe`). No run id is
/// so short.
pub const UNTOLD: &str = "0:";

impl Version {
    /// The server does not tell its incarnation: where a failover or a restore loses writes, this may
    /// come again.
    pub fn is_untold(&self) -> bool {
        self.incarnation.starts_with(UNTOLD)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:016x}.{}", self.seq, self.epoch, self.incarnation)
    }
}

/// The one record of an election, as a reply or a message shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    pub version: Version,
    /// Proves its last write.
    pub nonce: Nonce,
    pub token: Token,
    /// Who was granted the record last; `None` where it was created and never granted.
    pub holder: Option<Identity>,
    /// The name of the holder's server, for people. Empty without a holder.
    pub server: Arc<str>,
    /// The ttl of its last writer.
    pub ttl: Duration,
    pub released: bool,
    /// It was last written in the server's present incarnation. Always true in a message.
    pub same_incarnation: bool,
    /// Which ranks stand by.
    pub ranks: Ranks,
}

/// What is asked of the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Ask for the lease. A standby's poll is this too.
    Acquire {
        identity: Identity,
        ttl: Duration,
        /// The granted token is above it: the highest token this candidate has ever seen.
        floor: Token,
        /// Take over if this is still the version: it has been watched for longer than the ttl.
        watched: Option<Version>,
        /// Take a *missing* record at once where the server has been up, and unpromoted, for
        /// longer than this (`eagerStart`).
        eager: Option<Duration>,
        /// How the candidate ranks.
        rank: Rank,
        /// Where it is refused, enter it and its rank among those who stand by.
        signs: bool,
        nonce: Nonce,
    },
    Renew {
        identity: Identity,
        token: Token,
        ttl: Duration,
        /// Write the lost record again if this is still its version.
        over: Option<Version>,
        nonce: Nonce,
    },
    Release {
        identity: Identity,
        /// How many others may want the lease; told to them in the message.
        listeners: u32,
        /// Why, for people; `None` where it was granted without anybody's knowledge.
        reason: Option<Reason>,
        nonce: Nonce,
    },
    /// Look without changing anything.
    Inspect,
    /// Ask the primary to resign, of this term alone where it is named.
    AskToResign { token: Option<Token> },
}

/// One command on its way. The store's answer brings the whole request back, so that the rules
/// keep no copy: a retry cannot lend its later send time to the answer of an earlier request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Rises with every request of one election.
    pub id: u64,
    pub sent_at: Time,
    /// Unanswered after this, the outcome is unknown, unless the store answers others meanwhile:
    pub bound: Duration,
    /// then it may be as late as this.
    pub patience: Duration,
    pub command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// To an acquire: the record is mine, with the token in the reply.
    Granted,
    /// To an acquire: it is another's, or not yet to be taken.
    Refused,
    /// To a renewal: still mine, with the same token.
    Renewed,
    /// To a renewal or a release: the record that I held is not there, or is older than my grant.
    Stale,
    /// To a renewal: a newer grant, or my own release, stands there.
    Lost,
    /// To a release: it was mine and is free now.
    Released,
    /// To a release: it was not mine, nothing was changed.
    NotMine,
    /// To an inspect.
    Seen,
    /// To a request to resign: the next renewal of the term hears of it.
    Asked,
    /// To a request to resign: nobody is primary, or not with that token.
    NotHeld,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub outcome: Outcome,
    /// The record after the command; `None` where there is none (to a release or an inspect).
    pub record: Option<Record>,
    /// How many *others* received the message of this write; `None` where nothing was published.
    pub listeners: Option<u32>,
    /// The present term was asked to resign.
    pub asked: bool,
}

/// Why a command has no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer within the bound, or the connection broke: it may or may not have happened.
    Unknown { cause: Arc<str> },
    /// The server answered with an error that passes (LOADING, READONLY, OOM, MISCONF, BUSY), or the
    /// command was not sent: it has not happened.
    Refused { cause: Arc<str> },
    /// The server answered with an error that only a person can fix: credentials, permissions, a
    /// key of another type, a record of a newer protocol, a token at its limit.
    Denied { cause: Arc<str> },
}

impl Failure {
    pub fn cause(&self) -> &Arc<str> {
        match self {
            Failure::Unknown { cause } | Failure::Refused { cause } | Failure::Denied { cause } => {
                cause
            }
        }
    }
}

/// What a write was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind {
    Created,
    Granted,
    Renewed,
    Released,
}

/// A message from the changes channel: a hint, which may be lost, late, repeated or forged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub change: WriteKind,
    pub record: Record,
    /// With [`WriteKind::Released`]: how many may want the lease now.
    pub listeners: u32,
}

/// A lease that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    pub token: Token,
    /// When `isHeld` turns false unless a renewal is confirmed before.
    pub step_down_at: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary {
    pub server: Arc<str>,
    pub token: Token,
}

/// Why a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Commands were failing until the step-down deadline.
    StoreLost,
    /// They were not: this process was frozen past its deadline.
    Expired,
    /// A newer grant was found.
    Superseded,
    /// The event loop that the lease serves hung.
    Stalled,
    /// The work under it failed.
    Failed,
    /// The caller resigned.
    Resigned,
    /// The process or its environment ended.
    Exit,
    /// The lease could not be handed to whom it is for.
    Internal,
    /// Somebody asked for it.
    Asked,
}

impl Reason {
    /// The word that the outside and the record have for it.
    pub fn word(self) -> &'static str {
        match self {
            Reason::StoreLost => "store-lost",
            Reason::Expired => "expired",
            Reason::Superseded => "superseded",
            Reason::Stalled => "stalled",
            Reason::Failed => "failed",
            Reason::Resigned => "resigned",
            Reason::Exit => "exit",
            Reason::Internal => "internal",
            Reason::Asked => "asked",
        }
    }
}

/// What the outside is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Elected(Grant),
    Lost {
        token: Token,
        reason: Reason,
    },
    /// Half of the time has passed from when a renewal was due to the step-down deadline, and none was confirmed.
    /// `Renewed`, `Lost` or `Resigned` follows.
    RenewalLate {
        token: Token,
        step_down_at: Time,
    },
    /// A renewal was confirmed after a `RenewalLate`.
    Renewed {
        token: Token,
        step_down_at: Time,
    },
    /// The campaign has ended; `token` if it held a lease until now. Nothing follows it.
    Resigned {
        token: Option<Token>,
        reason: Reason,
    },
    PrimaryChanged(Option<Primary>),
    Unavailable {
        cause: Arc<str>,
    },
    Available,
}

/// The answer that an establishing caller waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Elected(Token),
    /// Another server is primary.
    NotElected,
    /// No answer from the store for the establish timeout.
    Unavailable {
        cause: Arc<str>,
    },
    /// The store refuses this caller; the campaign has ended.
    Denied {
        cause: Arc<str>,
    },
    /// The campaign was resigned before there was an answer.
    Resigned,
}

/// What a person should read in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The caller was answered and nobody listens: when the primary goes, this server does not take over.
    NobodyListens,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Send(Request),
    Event(Event),
    Answer(Answer),
    /// The lease in hand is held until here.
    Extended {
        step_down_at: Time,
    },
    /// Somebody asks that the term with this token end. [`Election::step_aside`](super::Election::step_aside) is to be
    /// called once the work under it has stopped; its time is up then.
    Asked {
        token: Token,
        until: Time,
    },
    Notice(Notice),
    /// To the earliest resign without an answer: what was held has run out by itself. Its release is
    /// still asked for.
    Unconfirmed,
    /// Resigned, and nothing is on its way any more: an answer to every resign that has none.
    Ended,
}
