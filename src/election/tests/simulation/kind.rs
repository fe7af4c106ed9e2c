use super::kebab;

/// A kind of fault. The seed draws an intensity for each, zero for about half of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    // Drawn again for every request, reply, message or timer.
    LoseRequest,
    LoseReply,
    DelayRequest,
    DelayReply,
    DuplicateRequest,
    ReorderRequest,
    LoseMessage,
    DelayMessage,
    DuplicateMessage,
    /// A reply arrives after its request was given up, or twice.
    LateReply,
    /// Redis answers with an error that passes.
    ErrorAnswer,
    /// Timers come late.
    Lateness,
    // Drawn once per process.
    ClockRates,
    // Scheduled.
    Crash,
    Freeze,
    /// One candidate's connection is a black hole for a while; a new one may work.
    CutOff,
    /// One candidate cannot subscribe for a while.
    NoMessages,
    HangRedis,
    RestartRedis,
    RestartOlder,
    RestartEmpty,
    Flush,
    Evict,
    Failover,
    PromoteEmpty,
    StepClock,
    StepClockBack,
    Split,
    /// Redis refuses everything for a while (LOADING).
    Refuse,
    Deny,
    // What users do.
    Resign,
    Listen,
    Join,
    Leave,
    /// The event loop that a candidate serves hangs for a while, and is found hanging.
    Hang,
    /// Somebody who hears all messages publishes others: old ones, invented ones, those of another
    /// election.
    Forge,
    /// A field of the record becomes unreadable.
    Spoil,
    /// Redis refuses one command for a while, and takes the others.
    RefuseOne,
    /// The work under a lease fails, while other work under it goes on or not.
    FailWork,
    /// Somebody writes other ranks into the record.
    LieAboutRanks,
    /// Somebody asks a primary to resign, the present one or an earlier one, now or later.
    AskToResign,
}

impl Kind {
    pub const ALL: [Kind; 41] = [
        Kind::LoseRequest,
        Kind::LoseReply,
        Kind::DelayRequest,
        Kind::DelayReply,
        Kind::DuplicateRequest,
        Kind::ReorderRequest,
        Kind::LoseMessage,
        Kind::DelayMessage,
        Kind::DuplicateMessage,
        Kind::LateReply,
        Kind::ErrorAnswer,
        Kind::Lateness,
        Kind::ClockRates,
        Kind::Crash,
        Kind::Freeze,
        Kind::CutOff,
        Kind::NoMessages,
        Kind::HangRedis,
        Kind::RestartRedis,
        Kind::RestartOlder,
        Kind::RestartEmpty,
        Kind::Flush,
        Kind::Evict,
        Kind::Failover,
        Kind::PromoteEmpty,
        Kind::StepClock,
        Kind::StepClockBack,
        Kind::Split,
        Kind::Refuse,
        Kind::Deny,
        Kind::Resign,
        Kind::Listen,
        Kind::Join,
        Kind::Leave,
        // Last: the draws of the others stay what they were.
        Kind::Hang,
        Kind::Forge,
        Kind::Spoil,
        Kind::RefuseOne,
        Kind::FailWork,
        Kind::LieAboutRanks,
        Kind::AskToResign,
    ];

    /// R6 binds although it occurs: what users do, and what messages suffer, which are but hints.
    pub fn disturbs(self) -> bool {
        use Kind::*;
        !matches!(
            self,
            LoseMessage
                | DelayMessage
                | DuplicateMessage
                | NoMessages
                | Lateness
                | StepClock
                | StepClockBack
                | Resign
                | Listen
                | Join
                | Hang
                | Forge
                | FailWork
                | LieAboutRanks
                | AskToResign
        )
    }

    pub fn is_scheduled(self) -> bool {
        self >= Kind::Crash && self != Kind::Forge
    }

    /// The name in traces and in the command that replays them: `lose-request`.
    pub fn name(self) -> String {
        kebab(&format!("{self:?}"))
    }
}
